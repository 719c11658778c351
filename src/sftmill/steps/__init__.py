"""Every step, by the name that recipes use, in the order in which a sample meets them."""

from collections.abc import Iterator, MutableMapping
from importlib import import_module

from sftmill.core import Step


class StepTable(MutableMapping[str, type[Step]]):
    """Steps by name, each imported when it is first looked up.

    A run uses a dozen steps of many, and every worker process would pay for importing them all.
    """

    def __init__(self, places: dict[str, str]):
        self._steps: dict[str, str | type[Step]] = dict(places)

    def __getitem__(self, name: str) -> type[Step]:
        step = self._steps[name]
        if isinstance(step, str):
            module, _, cls = step.partition(":")
            step = self._steps[name] = getattr(import_module(f"{__name__}.{module}"), cls)
        return step

    def __setitem__(self, name: str, step: type[Step]) -> None:
        self._steps[name] = step

    def __delitem__(self, name: str) -> None:
        del self._steps[name]

    def __contains__(self, name: object) -> bool:
        return name in self._steps

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


STEPS = StepTable(
    {
        # ingest
        "books": "ingest.books:Books",
        "samples": "ingest.samples:Samples",
        "queries": "ingest.queries:Queries",
        "personal_data": "ingest.personal_data:PersonalData",
        "clean_queries": "ingest.clean_queries:CleanQueries",
        "citations": "ingest.citations:Citations",
        "split": "ingest.split:Split",
        # instruct
        "cluster_queries": "instruct.queries.cluster_queries:ClusterQueries",
        "self_instruct": "instruct.self_instruct.self_instruct:SelfInstruct",
        "instances": "instruct.self_instruct.instances:Instances",
        "draws": "instruct.magpie.draws:Draws",
        "magpie": "instruct.magpie.magpie:Magpie",
        "evolve": "instruct.evolve.evolve:Evolve",
        "rules": "instruct.rules.rules:Rules",
        "cloze": "instruct.seq2seq.cloze:Cloze",
        "seq2seq": "instruct.seq2seq.seq2seq:Seq2Seq",
        "selfqa_questions": "instruct.selfqa.selfqa_questions:SelfQAQuestions",
        "templates": "instruct.templates.templates:Templates",
        "reword": "instruct.templates.reword:Reword",
        "diversify": "instruct.diversify.diversify:Diversify",
        "controlled": "instruct.controlled.controlled:Controlled",
        "unanswerable": "instruct.negatives.unanswerable:Unanswerable",
        "corrupt": "instruct.negatives.corrupt:Corrupt",
        "retrieve": "instruct.retrieve.retrieve:Retrieve",
        # respond
        "selfqa_answers": "instruct.selfqa.selfqa_answers:SelfQAAnswers",
        "retrieve_passages": "respond.retrieve.retrieve_passages:RetrievePassages",
        "respond": "respond.answer.respond:Respond",
        "best_of_n": "respond.choose.best_of_n:BestOfN",
        "judge": "respond.judge.judge:Judge",
        "judge_pairs": "respond.judge.judge_pairs:JudgePairs",
        "constitution": "respond.revise.constitution:Constitution",
        "vote": "respond.verify.vote:Vote",
        "back_test": "respond.verify.back_test:BackTest",
        "verify": "respond.verify.verify:Verify",
        "verify_code": "respond.verify.verify_code_step:VerifyCode",
        "draw_candidates": "respond.choose.draw_candidates:DrawCandidates",
        "preference": "respond.prefer.preference:Preference",
        "feedback": "respond.feedback.feedback:Feedback",
        # curate
        "language_filter": "curate.filters.language_filter:LanguageFilter",
        "length_filter": "curate.filters.length_filter:LengthFilter",
        "format_filter": "curate.filters.format_filter:FormatFilter",
        "refusal_filter": "curate.filters.refusal_filter:RefusalFilter",
        "repetition_filter": "curate.filters.repetition_filter:RepetitionFilter",
        "word_filter": "curate.filters.word_filter:WordFilter",
        "question_form": "curate.filters.questions:Questions",
        "round_trip": "instruct.seq2seq.round_trip:RoundTrip",
        "passage_lift": "curate.grounding.passage_lift:PassageLift",
        "support": "curate.grounding.support:Support",
        "grounded": "curate.grounding.grounded:Grounded",
        "passage_noise": "curate.filters.passage_noise:PassageNoise",
        "reviewed": "curate.reviewed:Reviewed",
        "dedup": "curate.dedup.dedup:Dedup",
        "decontaminate": "curate.decontaminate.decontaminate:Decontaminate",
        "dsir": "curate.quality.dsir:Dsir",
        "keep_best": "curate.quality.keep_best:KeepBest",
        "deita_scores": "curate.quality.deita_scores:DeitaScores",
        "deita_select": "curate.quality.deita_select:DeitaSelect",
        "ifd": "curate.quality.ifd:Ifd",
        "tag_instructions": "curate.labelling.tag_instructions:TagInstructions",
        "normalise_tags": "curate.tags.normalise_tags:NormaliseTags",
        "classify_tags": "curate.tags.classify_tags:ClassifyTags",
        "label": "curate.labelling.label:Label",
        "neighbours": "curate.near.neighbours:Neighbours",
        "hard_negatives": "curate.near.hard_negatives:HardNegatives",
        "magpie_filter": "curate.magpie.magpie_filter:MagpieFilter",
        "magpie_select": "curate.magpie.magpie_select:MagpieSelect",
        # blend
        "variants": "instruct.variants:Variants",
        "rag_rows": "instruct.diversify.rag_rows:RagRows",
        "export": "blend.export:Export",
    }
)
"""The steps: their names in recipes, the modules of this package that hold them, and their classes."""
