"""The human review: samples out to a workbook, verdicts back into a labels file.

`export_review` writes the workbook that experts fill in, `import_review` reads it back. What they said
is kept by content (`steps.curate.labels`) and carried out by the step `reviewed`.
"""

from sftmill.review.export import Exported, export_review
from sftmill.review.merge import Imported, import_review

__all__ = ["Exported", "Imported", "export_review", "import_review"]
