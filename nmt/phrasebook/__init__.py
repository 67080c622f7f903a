"""The built-in English-German corpus, made by a grammar: see `generator`.

English leaves open what German must decide. The corpus decides by rules that can be learned:

- "you" is *du*, but *ihr* in "you two", "you all" and to several people called by name, and *Sie*
  to "Mr ...", "Mrs ...", "sir", "madam" and after "Excuse me,".
- The past of *haben*, *sein*, *wissen*, *mögen*, *kennen* and the modal verbs is a preterite. Other
  verbs have the perfect tense with *ich*, *du*, *wir*, *ihr*, *Sie* and in questions, and the
  preterite in statements about others ("He read", *er las*; "I read", *ich habe gelesen*).
- "it" has the gender of the noun before it, and is *es* where there is none.
- "when" is *als* in the past and *wenn* otherwise; "whether" is *ob*, "if" is *wenn*.
- "put" is *stellen* for what stands (a glass, a chair) and *legen* for what lies.
"""

from nmt.phrasebook.generator import generate
from nmt.phrasebook.phrase import Example, words

__all__ = ["Example", "generate", "words"]
