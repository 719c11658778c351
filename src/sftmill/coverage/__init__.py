"""What a pool of instructions covers of what is asked, read from finished runs."""

from sftmill.coverage.gains import Gain, measure_gains
from sftmill.coverage.measure import Measured, Place, measure_coverage

__all__ = ["Gain", "Measured", "Place", "measure_coverage", "measure_gains"]
