"""Every step, by the name that recipes use, in the order in which a sample meets them."""

from sftmill.core import Step
from sftmill.steps.blend.export import Export
from sftmill.steps.curate.dedup import Dedup
from sftmill.steps.curate.grounded import Grounded
from sftmill.steps.curate.questions import Questions
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.samples import Samples
from sftmill.steps.ingest.split import Split
from sftmill.steps.instruct.selfqa_answers import SelfQAAnswers
from sftmill.steps.instruct.selfqa_questions import SelfQAQuestions
from sftmill.steps.respond.respond import Respond

STEPS: dict[str, type[Step]] = {
    # ingest
    "books": Books,
    "samples": Samples,
    "split": Split,
    # instruct
    "selfqa_questions": SelfQAQuestions,
    # respond
    "selfqa_answers": SelfQAAnswers,
    "respond": Respond,
    # curate
    "question_form": Questions,
    "grounded": Grounded,
    "dedup": Dedup,
    # blend
    "export": Export,
}
