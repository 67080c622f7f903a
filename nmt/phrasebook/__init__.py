"""The built-in English-German corpus, which a grammar generates.

One English sentence can have several German translations. The corpus selects one by these rules,
which a model can learn:

- "you" is *du*, but *ihr* in "you two", "you all" and to several people called by name, and *Sie*
  to "Mr ...", "Mrs ...", "sir", "madam" and after "Excuse me,".
- The past of *haben*, *sein*, *wissen*, *mögen*, *kennen* and the modal verbs is a preterite. Other
  verbs have the perfect tense with *ich*, *du*, *wir*, *ihr*, *Sie* and in questions, and the
  preterite in statements about others ("He read", *er las*; "I read", *ich habe gelesen*).
- "it" has the gender of the preceding noun, and is *es* without such a noun.
- "when" is *als* in the past and *wenn* otherwise; "whether" is *ob*, "if" is *wenn*.
- "put" is *stellen* for upright things (a glass, a chair) and *legen* for others.
"""

from nmt.phrasebook.generator import generate
from nmt.phrasebook.phrase import Example, words

__all__ = ["Example", "generate", "words"]
