"""Every step, by the name that recipes use, in the order in which a sample meets them."""

from sftmill.core import Step
from sftmill.steps.blend.export import Export
from sftmill.steps.curate.dedup import Dedup
from sftmill.steps.curate.format_filter import FormatFilter
from sftmill.steps.curate.grounded import Grounded
from sftmill.steps.curate.language_filter import LanguageFilter
from sftmill.steps.curate.length_filter import LengthFilter
from sftmill.steps.curate.passage_noise import PassageNoise
from sftmill.steps.curate.questions import Questions
from sftmill.steps.curate.refusal_filter import RefusalFilter
from sftmill.steps.curate.repetition_filter import RepetitionFilter
from sftmill.steps.curate.reviewed import Reviewed
from sftmill.steps.curate.word_filter import WordFilter
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.citations import Citations
from sftmill.steps.ingest.personal_data import PersonalData
from sftmill.steps.ingest.samples import Samples
from sftmill.steps.ingest.split import Split
from sftmill.steps.instruct.rules import Rules
from sftmill.steps.instruct.selfqa_answers import SelfQAAnswers
from sftmill.steps.instruct.selfqa_questions import SelfQAQuestions
from sftmill.steps.instruct.variants import Variants
from sftmill.steps.respond.respond import Respond

STEPS: dict[str, type[Step]] = {
    # ingest
    "books": Books,
    "samples": Samples,
    "personal_data": PersonalData,
    "citations": Citations,
    "split": Split,
    # instruct
    "rules": Rules,
    "selfqa_questions": SelfQAQuestions,
    # respond
    "selfqa_answers": SelfQAAnswers,
    "respond": Respond,
    # curate
    "language_filter": LanguageFilter,
    "length_filter": LengthFilter,
    "format_filter": FormatFilter,
    "refusal_filter": RefusalFilter,
    "repetition_filter": RepetitionFilter,
    "word_filter": WordFilter,
    "question_form": Questions,
    "grounded": Grounded,
    "passage_noise": PassageNoise,
    "reviewed": Reviewed,
    "dedup": Dedup,
    # blend
    "variants": Variants,
    "export": Export,
}
