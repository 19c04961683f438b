"""How models travel through Temporal: JSON, without the fields that nobody set."""

from dataclasses import replace

from temporalio.contrib.pydantic import PydanticPayloadConverter, ToJsonOptions, pydantic_data_converter


class CompactPydanticConverter(PydanticPayloadConverter):
    """Leaves defaults out, which keeps histories small and lets a new field's default apply to old runs."""

    def __init__(self) -> None:
        super().__init__(ToJsonOptions(exclude_unset=True))


DATA_CONVERTER = replace(pydantic_data_converter, payload_converter_class=CompactPydanticConverter)
