"""Rounds of generating, tuning and testing: a generator is replaced only by one that is proved better.

    round 1  the recipe runs with the generator it names; a command of the user tunes a new one
             from the base model on all samples so far, and another one tests it
    round 2  the recipe runs with the newly tuned generator if it was adopted, and so on

How training and testing are done is the user's: two commands, each given the path of a JSON file
that says what to do (see `commands`). What is adopted is decided here (see `adoption`).
"""

from sftmill.iterate.adoption import Adoption, decide
from sftmill.iterate.commands import Command
from sftmill.iterate.rounds import Round, iterate

__all__ = ["Adoption", "Command", "Round", "decide", "iterate"]
