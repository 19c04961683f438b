"""Asking the shop, the payment provider and the mail provider what they may have failed to tell."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.reconciling import Reconciling
    from journey.reconciling import (
        PassKind,
        PassName,
        PassReport,
        PassRequest,
        ReconciliationEnd,
        ReconciliationRequest,
    )
    from workflows import policies

_VERBS = {
    PassKind.SHOP: Reconciling.reconcile_shop,
    PassKind.PAYMENTS: Reconciling.reconcile_payments,
    PassKind.MAIL: Reconciling.reconcile_mail,
}


@workflow.defn
class Reconciliation:
    """One pass after the other; one that does not reach its end keeps no other from its own."""

    @workflow.run
    async def run(self, request: ReconciliationRequest) -> ReconciliationEnd:
        reports = [await self._pass(name, request) for name in request.passes]
        return ReconciliationEnd(passes=tuple(reports))

    async def _pass(self, name: PassName, request: ReconciliationRequest) -> PassReport:
        asked = PassRequest(name=name, token=workflow.info().run_id, since=request.since)
        try:
            return await workflow.execute_activity_method(
                _VERBS[name.kind], asked, summary=str(name), **policies.A_PASS
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return PassReport(name=str(name), problem="it did not reach its end; the next one goes on")
