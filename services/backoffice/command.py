"""What staff have the engine do at once: freeze, cancel, halt, set terms. No money moves by these.

They are not left to the courier: a freeze that is carried out an hour later, after somebody lifted it, would be wrong.
Whoever asks hears what came of it, or that it is unknown; all of these can be asked again.
"""

from services.backoffice import audit
from services.backoffice.audit import Deed
from services.backoffice.errors import ENGINE_UNAVAILABLE, OUTCOME_UNKNOWN, REFUSED_BY_ENGINE
from services.backoffice.resources import Resources
from services.domain.commands import Command
from services.domain.protocol import Refused as EngineRefused
from services.domain.refusals import Refusal
from services.infra.engine_client import NotStarted, OutcomeUnknown
from services.infra.problems import Problem, Refused


async def carry_out(held: Resources, deed: Deed, command: Command, *, done_before: Refusal | None = None) -> bool:
    """Record the deed, do it, record what came of it; return whether anything changed."""
    await audit.record(held.pool, deed, "ASKED")
    try:
        reply = await held.engine.submit(command)
    except NotStarted:
        await audit.record(held.pool, deed, "REFUSED", refusal="NO_ENGINE")
        raise Refused(ENGINE_UNAVAILABLE) from None
    except OutcomeUnknown:
        await audit.record(held.pool, deed, "UNKNOWN")
        raise Refused(OUTCOME_UNKNOWN) from None
    if isinstance(reply, EngineRefused):
        await audit.record(held.pool, deed, "REFUSED", refusal=reply.reason.value)
        if reply.reason is done_before:
            return False
        problem = REFUSED_BY_ENGINE
        raise Refused(Problem(problem.status, problem.code, f"{problem.message} It says {reply.reason.value}."))
    await audit.record(held.pool, deed, "DONE", sequence=reply.sequence)
    return True
