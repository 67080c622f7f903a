"""The built-in English-German corpus, which a grammar generates.

One English sentence can have several German translations. The corpus selects one by these rules,
which a model can learn:

- "you" is *du*, but *ihr* to several people called by name, and *Sie* to "Mr ...", "Mrs ..." and
  after "Excuse me,".
- The past is the perfect tense, as in spoken German ("He read", *er hat gelesen*). It is the
  preterite of *sein*, *stehen*, *liegen*, *sitzen* and the modal verbs. *haben*, *mögen*, *kennen*
  and *wissen* have no past.
- "it" has the gender of the preceding noun, and is *es* without such a noun.
- "when" is *als* in the past and *wenn* otherwise; "whether" is *ob*, "if" is *wenn*.
"""

from nmt.phrasebook.generator import DEMO, generate
from nmt.phrasebook.phrase import Example, words

__all__ = ["DEMO", "Example", "generate", "words"]
