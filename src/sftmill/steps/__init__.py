"""Every step, by the name that recipes use, in the order in which a sample meets them."""

from sftmill.core import Step
from sftmill.steps.blend.export import Export
from sftmill.steps.curate.dedup import Dedup
from sftmill.steps.curate.filters.format_filter import FormatFilter
from sftmill.steps.curate.filters.language_filter import LanguageFilter
from sftmill.steps.curate.filters.length_filter import LengthFilter
from sftmill.steps.curate.filters.passage_noise import PassageNoise
from sftmill.steps.curate.filters.questions import Questions
from sftmill.steps.curate.filters.refusal_filter import RefusalFilter
from sftmill.steps.curate.filters.repetition_filter import RepetitionFilter
from sftmill.steps.curate.filters.word_filter import WordFilter
from sftmill.steps.curate.grounding.grounded import Grounded
from sftmill.steps.curate.labelling.label import Label
from sftmill.steps.curate.labelling.tag_instructions import TagInstructions
from sftmill.steps.curate.magpie.magpie_filter import MagpieFilter
from sftmill.steps.curate.magpie.magpie_select import MagpieSelect
from sftmill.steps.curate.near.hard_negatives import HardNegatives
from sftmill.steps.curate.near.neighbours import Neighbours
from sftmill.steps.curate.reviewed import Reviewed
from sftmill.steps.ingest.books import Books
from sftmill.steps.ingest.citations import Citations
from sftmill.steps.ingest.clean_queries import CleanQueries
from sftmill.steps.ingest.personal_data import PersonalData
from sftmill.steps.ingest.queries import Queries
from sftmill.steps.ingest.samples import Samples
from sftmill.steps.ingest.split import Split
from sftmill.steps.instruct.controlled.controlled import Controlled
from sftmill.steps.instruct.evolve.evolve import Evolve
from sftmill.steps.instruct.magpie.draws import Draws
from sftmill.steps.instruct.magpie.magpie import Magpie
from sftmill.steps.instruct.negatives.corrupt import Corrupt
from sftmill.steps.instruct.negatives.unanswerable import Unanswerable
from sftmill.steps.instruct.queries.cluster_queries import ClusterQueries
from sftmill.steps.instruct.rules.rules import Rules
from sftmill.steps.instruct.self_instruct.instances import Instances
from sftmill.steps.instruct.self_instruct.self_instruct import SelfInstruct
from sftmill.steps.instruct.selfqa.selfqa_answers import SelfQAAnswers
from sftmill.steps.instruct.selfqa.selfqa_questions import SelfQAQuestions
from sftmill.steps.instruct.seq2seq.cloze import Cloze
from sftmill.steps.instruct.seq2seq.round_trip import RoundTrip
from sftmill.steps.instruct.seq2seq.seq2seq import Seq2Seq
from sftmill.steps.instruct.templates.reword import Reword
from sftmill.steps.instruct.templates.templates import Templates
from sftmill.steps.instruct.variants import Variants
from sftmill.steps.respond.choose.best_of_n import BestOfN
from sftmill.steps.respond.choose.draw_candidates import DrawCandidates
from sftmill.steps.respond.feedback.feedback import Feedback
from sftmill.steps.respond.judge.judge import Judge
from sftmill.steps.respond.judge.judge_pairs import JudgePairs
from sftmill.steps.respond.prefer.preference import Preference
from sftmill.steps.respond.respond import Respond
from sftmill.steps.respond.revise.constitution import Constitution
from sftmill.steps.respond.verify.verify import Verify
from sftmill.steps.respond.verify.verify_code_step import VerifyCode
from sftmill.steps.respond.verify.vote import Vote

STEPS: dict[str, type[Step]] = {
    # ingest
    "books": Books,
    "samples": Samples,
    "queries": Queries,
    "personal_data": PersonalData,
    "clean_queries": CleanQueries,
    "citations": Citations,
    "split": Split,
    # instruct
    "cluster_queries": ClusterQueries,
    "self_instruct": SelfInstruct,
    "instances": Instances,
    "draws": Draws,
    "magpie": Magpie,
    "evolve": Evolve,
    "rules": Rules,
    "cloze": Cloze,
    "seq2seq": Seq2Seq,
    "selfqa_questions": SelfQAQuestions,
    "templates": Templates,
    "reword": Reword,
    "controlled": Controlled,
    "unanswerable": Unanswerable,
    "corrupt": Corrupt,
    # respond
    "selfqa_answers": SelfQAAnswers,
    "respond": Respond,
    "best_of_n": BestOfN,
    "judge": Judge,
    "judge_pairs": JudgePairs,
    "constitution": Constitution,
    "vote": Vote,
    "verify": Verify,
    "verify_code": VerifyCode,
    "draw_candidates": DrawCandidates,
    "preference": Preference,
    "feedback": Feedback,
    # curate
    "language_filter": LanguageFilter,
    "length_filter": LengthFilter,
    "format_filter": FormatFilter,
    "refusal_filter": RefusalFilter,
    "repetition_filter": RepetitionFilter,
    "word_filter": WordFilter,
    "question_form": Questions,
    "round_trip": RoundTrip,
    "grounded": Grounded,
    "passage_noise": PassageNoise,
    "reviewed": Reviewed,
    "dedup": Dedup,
    "tag_instructions": TagInstructions,
    "label": Label,
    "neighbours": Neighbours,
    "hard_negatives": HardNegatives,
    "magpie_filter": MagpieFilter,
    "magpie_select": MagpieSelect,
    # blend
    "variants": Variants,
    "export": Export,
}
