"""The worker: the only place that knows which provider stands behind which verb.

`python worker.py` runs it until SIGTERM or Ctrl-C; with no Temporal configured it brings its own server.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.cases import Cases
from activities.forgetting import Forget
from activities.journeys import Journeys
from activities.labels import Address, LabelDesk, Labels
from activities.letters.writing import Letters
from activities.mailer import Mailer
from activities.messages import Messages, Terms
from activities.payments import PaymentProvider, RefundLister
from activities.providers.demo_labels import DemoLabels
from activities.providers.demo_payments import DemoPayments
from activities.providers.outbox import OutboxMailer
from activities.reconciling import Reconciling
from activities.refunds import Refunds
from activities.shops import Shop
from journey.names import TASK_QUEUE
from ledger import Ledger
from ledger.database import LedgerError
from runtime.connection import configured_address, temporal
from runtime.courtesy import step_back
from runtime.embedded import Server, running_server
from runtime.inputs import InputError
from runtime.logs import configure_logs, configure_telemetry
from runtime.reach import LOOK_EVERY
from runtime.sandbox import build_sandbox
from runtime.schedule import keep_schedule
from runtime.settings import LabelsName, MailerName, Settings, read_settings
from runtime.stopping import when_asked_to_stop
from service.links import links_of
from service.sources.all import translator
from workflows.erasure import Erasure
from workflows.order_journey import OrderJourney
from workflows.reconciliation import Reconciliation
from workflows.return_journey import ReturnJourney

TEMPLATES = Path(__file__).parent / "templates"
FIRST_TRIES_AT_ONCE = 16
"""A hundred letters that are due at one instant and all claimed at once would all be late: those that are
begun have to end within their five seconds. The others wait their turn, unclaimed."""


def build_worker(client: Client, activities: Sequence[Any], *, max_cached_workflows: int = 1_000) -> Worker:
    """The one worker of production, demo, tests and benchmarks."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[OrderJourney, ReturnJourney, Erasure, Reconciliation],
        activities=activities,
        workflow_runner=build_sandbox(),
        max_cached_workflows=max_cached_workflows,
        max_concurrent_local_activities=FIRST_TRIES_AT_ONCE,
        graceful_shutdown_timeout=timedelta(seconds=15),
    )


OUTBOX_LEASE = timedelta(seconds=10)
"""How long an attempt has a letter to itself where the ledger itself is the mailer."""


def build_activities(settings: Settings, ledger: Ledger) -> list[Any]:
    """Every activity, with the providers that the settings name."""
    mailer, letters = build_mailer(settings, ledger), build_letters(settings)
    terms = Terms(mail_from=settings.mail_from, care_from=settings.mail_from_care, rate=settings.mail_rate)
    if settings.mailer is MailerName.OUTBOX:
        # Two attempts at once cannot put a letter down twice here, so nobody has to wait long for a dead one.
        terms = replace(terms, lease=OUTBOX_LEASE)
    messages = Messages(ledger, mailer, letters, terms)
    cases = Cases(ledger)
    forget = Forget(ledger, mailer)
    payments = build_payments(settings, ledger)
    reconciling = build_reconciling(settings, ledger, payments, mailer)
    warehouse = Address(settings.shop.name, settings.warehouse_address, settings.warehouse_country)
    return [
        messages.send_message,
        Journeys(ledger).keep_journey,
        Refunds(ledger, payments).refund_payment,
        LabelDesk(ledger, build_labels(settings), warehouse).make_label,
        cases.keep_return,
        cases.dispatch_goods,
        cases.mark_refund_paid,
        cases.keep_result,
        forget.empty_rows,
        forget.tell_mailer,
        forget.wipe_traces,
        reconciling.reconcile_shop,
        reconciling.reconcile_payments,
        reconciling.reconcile_mail,
    ]


def build_reconciling(
    settings: Settings, ledger: Ledger, payments: Mapping[str, PaymentProvider], mailer: Mailer
) -> Reconciling:
    """Who is asked what they failed to tell. Activities may not import the doors, so they are given the
    translators by which webhooks are read."""
    listers = {name: each for name, each in payments.items() if isinstance(each, RefundLister)}
    translate = translator(settings)
    return Reconciling(ledger, translate, build_shops(settings), listers, {mailer.name: mailer})


def build_shops(settings: Settings) -> dict[str, Shop]:
    """The shops that can be asked, by the sources of their webhooks."""
    shops: dict[str, Shop] = {}
    if settings.shopify_url is not None:
        from activities.providers.shopify import ShopifyShop
        from activities.providers.shopify_tokens import AdminToken, AppToken

        token: AdminToken | AppToken
        if settings.shopify_access_token is not None:
            token = AdminToken(settings.shopify_access_token.get_secret_value())
        else:
            assert settings.shopify_client_id is not None
            assert settings.shopify_secret is not None
            token = AppToken(settings.shopify_client_id, settings.shopify_secret.get_secret_value())
        shops[ShopifyShop.source] = ShopifyShop(settings.shopify_url, token)
    if settings.woocommerce_url is not None:
        from activities.providers.woocommerce import WooCommerceShop

        key, secret = settings.woocommerce_consumer_key, settings.woocommerce_consumer_secret
        assert key is not None
        assert secret is not None
        credentials = (key.get_secret_value(), secret.get_secret_value())
        shops[WooCommerceShop.source] = WooCommerceShop(settings.woocommerce_url, *credentials)
    return shops


def build_payments(settings: Settings, ledger: Ledger) -> dict[str, PaymentProvider]:
    """Everyone who may hold a payment, by the name that the ledger notes."""
    providers: dict[str, PaymentProvider] = {DemoPayments.name: DemoPayments(ledger)}
    if settings.stripe_api_key is not None:
        from activities.providers.stripe import StripePayments

        key = settings.stripe_api_key.get_secret_value()
        providers[StripePayments.name] = StripePayments(key, settings.stripe_host)
    return providers


def build_labels(settings: Settings) -> Labels:
    match settings.labels:
        case LabelsName.DEMO:
            return DemoLabels()
        case LabelsName.EASYPOST:
            from activities.providers.easypost import EasyPostLabels

            assert settings.easypost_api_key is not None
            return EasyPostLabels(settings.easypost_api_key.get_secret_value(), settings.easypost_host)


def build_mailer(settings: Settings, ledger: Ledger) -> Mailer:
    match settings.mailer:
        case MailerName.OUTBOX:
            return OutboxMailer(ledger)
        case MailerName.SENDGRID:
            return _sendgrid(settings)
        case MailerName.SMTP:
            return _smtp(settings)


def _sendgrid(settings: Settings) -> Mailer:
    from activities.providers.sendgrid import EU_HOST, HOST, SendGridMailer

    assert settings.sendgrid_api_key is not None
    host = settings.sendgrid_host or (EU_HOST if settings.sendgrid_region == "eu" else HOST)
    key = settings.sendgrid_api_key.get_secret_value()
    return SendGridMailer(key, host, sandbox=settings.sendgrid_sandbox)


def _smtp(settings: Settings) -> Mailer:
    from activities.providers.smtp import Security, SmtpMailer, SmtpServer

    assert settings.smtp_host is not None
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=Security(settings.smtp_security),
        user=settings.smtp_user,
        password=password,
    )
    return SmtpMailer(server)


def build_letters(settings: Settings) -> Letters:
    own = [settings.templates] if settings.templates else []
    links = links_of(settings)
    unsubscribe = links.unsubscribe if links else None
    return Letters([*own, TEMPLATES], settings.shop, unsubscribe_url=unsubscribe)


async def serve(settings: Settings) -> None:
    """Work until asked to stop, then finish what is being done."""
    log = structlog.get_logger("thereafter.worker")
    configure_telemetry(settings.metrics_address)
    # From the first moment: who dies while the server starts would leave it behind.
    stop = asyncio.Event()
    when_asked_to_stop(stop.set)
    ledger = await Ledger.open(settings.ledger())
    try:
        async with (
            temporal(settings.home) as connection,
            build_worker(connection.client, build_activities(settings, ledger)),
        ):
            await _scheduled(connection.client, settings)
            ui = connection.server and connection.server.ui
            log.info("working", task_queue=TASK_QUEUE, ui=ui, mailer=str(settings.mailer))
            if settings.mailer is MailerName.OUTBOX:
                log.warning("letters are kept in the outbox and go to nobody; THEREAFTER_MAILER sends them")
            await _until_asked(stop, settings.home, connection.server)
            log.info("stopping")
    finally:
        await ledger.close()


async def _until_asked(stop: asyncio.Event, home: Path, server: Server | None) -> None:
    """Raises `ConnectionError` once the server that we joined is at another port: a worker cannot follow, and
    whoever has the old port now is a stranger. Started again, it finds the new one."""
    while not stop.is_set():
        now = running_server(home) if server is not None and server.joined else None
        if server is not None and now is not None and now.port != server.port:
            raise ConnectionError(f"the Temporal server of {home} is at {now.address} now; start again")
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await stop.wait()


async def _scheduled(client: Client, settings: Settings) -> None:
    """Reconciliations are a safety net: a key that may not keep schedules keeps no worker from its work."""
    try:
        await keep_schedule(client, settings)
    except RPCError as error:
        log = structlog.get_logger("thereafter.worker")
        log.warning("no schedule for reconciliations", problem=error.status.name)


def main() -> int:
    configure_logs()
    try:
        if configured_address() is None:
            step_back()  # the server that we start on this machine inherits it
        asyncio.run(serve(read_settings()))
    except InputError as error:
        print(str(error), file=sys.stderr)  # noqa: T201
        return 2
    except (ConnectionError, FileNotFoundError, LedgerError) as error:
        print(str(error), file=sys.stderr)  # noqa: T201
        return 3
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
