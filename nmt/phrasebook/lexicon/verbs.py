# ruff: noqa: E501
"""Verbs: English | German | frame | arguments.

`english.parse_verb` and `german.parse_verb` describe the forms. ``*`` before the English verb marks
a state, which has no progressive ("I know", not "I am knowing"), and ``+`` an event without
duration, which has no present tense. ``sich`` before the German verb marks a reflexive verb.

Frames:

``-``          no object; the arguments are the kinds of places for the action
``acc``        accusative object of one of the noun classes
``dat``        dative object of one of the noun classes
``give``       dative recipient (a person) and accusative object of one of the noun classes
``to``         direction: "place", "foot" (a place, always with "zu") or "city"
``EN DE CASE`` prepositional object of one of the noun classes; ``-``: no preposition on that side

The class "one" asks for a singular object.
"""

VERBS = """
work | arbeiten | - | hours city
sleep/slept/slept | schlafen schläft schlief geschlafen | - | room home
laugh | lachen | - |
dance | tanzen | - | leisure room
sing/sang/sung | singen singt sang gesungen | - | room city
swim/swam/swum | schwimmen schwimmt schwamm geschwommen ist | - | water
wait | warten | - | place
cook | kochen | - |
hike | wandern ist | - | wild
study | lernen | - | room city
get/got/got up | auf|stehen steht stand gestanden ist | - |
+arrive | an|kommen kommt kam gekommen ist | - | city
sit/sat/sat down | sich setzen | - |
have/had/had breakfast | frühstücken | - | room
eat/ate/eaten | essen isst aß gegessen | acc | food meal
drink/drank/drunk | trinken trinkt trank getrunken | acc | drink
buy/bought/bought | kaufen | acc | food meal drink clothing own device furniture print thing pair home
sell/sold/sold | verkaufen | acc | own furniture home picture device
read/read/read | lesen liest las gelesen | acc | reading
write/wrote/written | schreiben schreibt schrieb geschrieben | acc | writing
order | bestellen | acc | dish drink print clothing
go/went/gone | gehen geht ging gegangen ist | to | place
walk | laufen läuft lief gelaufen ist | to | foot
drive/drove/driven | fahren fährt fuhr gefahren ist | to | city
fly/flew/flown | fliegen fliegt flog geflogen ist | to | city
*see/saw/seen | sehen sieht sah gesehen | acc | person animal vehicle building nature related show way high
*hear/heard/heard | hören | acc | song noise
*love | lieben | acc | related pet town song
*like | mögen | acc | meal drink person animal show song dish town
*know/knew/known | kennen kennt kannte gekannt | acc | person related town way song show
*need | brauchen | acc | abstract clothing device thing luggage cutlery document
*have/had/had | haben | acc | abstract pet own device thing home idea answerable task
*understand/understood/understood | verstehen versteht verstand verstanden | acc | point reading idea task
+forget/forgot/forgotten | vergessen vergisst vergaß vergessen | acc | small point task luggage one
visit | besuchen | acc | related sight town
meet/met/met | treffen trifft traf getroffen | acc | person related
+find/found/found | finden findet fand gefunden | acc | small thing toy pet one
+lose/lost/lost | verlieren verliert verlor verloren | acc | small toy document pair one
look | suchen | for - acc | small thing toy person pet document home
use | benutzen | acc | device cutlery machine small cloth
repair | reparieren | acc | own device machine toy
wash | waschen wäscht wusch gewaschen | acc | clothing own fruit pair cloth
clean | putzen | acc | room opening pair cutlery
open | öffnen | acc | opening container luggage post
close | schließen schließt schloss geschlossen | acc | opening container luggage
draw/drew/drawn | zeichnen | acc | animal plant building person
ask | fragen | acc | person related
call | an|rufen ruft rief gerufen | acc | related
bring/brought/brought | bringen bringt brachte gebracht | acc | food drink menu reading thing
turn/turned/turned on | ein|schalten | acc | machine one
pack | packen | acc | luggage
drive/drove/driven | fahren fährt fuhr gefahren | acc | drivable one
ride/rode/ridden | fahren fährt fuhr gefahren | acc | ride one
play | spielen | acc | game song
watch | sehen sieht sah gesehen | acc | show
learn | lernen | acc | learnable song
explain | erklären | acc | point idea task
answer | beantworten | acc | answerable reply
help | helfen hilft half geholfen | dat | person
help | helfen hilft half geholfen | dat | related
thank | danken | dat | person related
give/gave/given | geben gibt gab gegeben | give | thing fruit print small
show | zeigen | give | picture reading sight home small
send/sent/sent | schicken | give | writing picture
wait | warten | for auf acc | person related public
talk | sprechen spricht sprach gesprochen | to mit dat | person related
talk | sprechen spricht sprach gesprochen | about über acc | idea show trip task related
*think/thought/thought | denken denkt dachte gedacht | of an acc | related trip task event
laugh | lachen | about über acc | show person idea mistake
look forward | sich freuen | to auf acc | event
look forward | sich freuen | to auf acc | trip show
*remember | sich erinnern | - an acc | trip event person song show
take/took/taken care | sich kümmern | of um acc | animal related plant
"""

# Verbs of placement (accusative) and of position (dative): English | German | classes of the thing
# | classes of the place | English and German preposition.
PLACEMENT = """
put/put/put | legen | flat | surface | on auf
put/put/put | legen | flat | surface seat | next_to neben
put/put/put | legen | flat | surface | under unter
put/put/put | legen | flat | container | in in
"""

POSITION = """
lie/lay/lain | liegen liegt lag gelegen | flat | surface | on auf
lie/lay/lain | liegen liegt lag gelegen | flat | surface seat | next_to neben
lie/lay/lain | liegen liegt lag gelegen | flat pet | surface seat | under unter
lie/lay/lain | liegen liegt lag gelegen | flat | container | in in
stand/stood/stood | stehen steht stand gestanden | upright | top | on auf
stand/stood/stood | stehen steht stand gestanden | upright seat | top | next_to neben
stand/stood/stood | stehen steht stand gestanden | own person | building | in_front_of vor
stand/stood/stood | stehen steht stand gestanden | person tree | building | behind hinter
sit/sat/sat | sitzen sitzt saß gesessen | person | seat | on auf
sit/sat/sat | sitzen sitzt saß gesessen | pet | seat surface | on auf
sit/sat/sat | sitzen sitzt saß gesessen | person pet | seat opening | next_to neben
sit/sat/sat | sitzen sitzt saß gesessen | pet | surface seat | under unter
sit/sat/sat | sitzen sitzt saß gesessen | pet | nest | in in
"""

# English auxiliary, or verb with "to" | German ("-": the adverb "gern") | its uses, in statements,
# negations, questions and questions about "I" or "we", as often as named; "past" if its tense is past.
MODALS = """
can | können | stated stated denied denied asked asked asked ours ours
should | sollten | stated denied ours
must | müssen | stated
must | dürfen | denied
may | dürfen | stated denied ours
would like to | möchten | stated asked
want to | wollen | stated stated denied
have/had/had to | müssen | stated denied asked ours
like to | - | stated stated denied
want to | wollten | past stated denied
"""

# Infinitives with "to" and "zu": English | German of the governing verb.
TRYING = """
try/tried/tried | versuchen; *hope | hoffen;
+forget/forgot/forgotten | vergessen vergisst vergaß vergessen;
+decide | beschließen beschließt beschloss beschlossen
"""

# Care of the body, with a dative reflexive: English | German | part of the body.
CARE = """
wash | waschen wäscht wusch gewaschen | hand/hands;
wash | waschen wäscht wusch gewaschen | foot/feet; brush | putzen | tooth/teeth;
+break/broke/broken | brechen bricht brach gebrochen | leg;
+break/broke/broken | brechen bricht brach gebrochen | arm
"""

# Feelings and their reasons: adjective | verb | classes of its object or place.
REASONS = """
happy | find | small toy pet one; happy | visit | related; happy | meet | related;
happy | buy | own device one; happy | fly | city; happy | repair | vehicle device one; happy | answer | reply;
sad | lose | small toy one; sad | sell | own pet one;
tired | work | hours; tired | hike | wild; tired | dance |; tired | clean | room;
tired | wash | own; tired | swim | water; tired | study | city;
tired | walk | foot;
nervous | lose | small document one; nervous | forget | document ticket one;
nervous | wait | related public one; nervous | drink | brew
"""

# Errands: place | verb | classes of its object.
ERRANDS = """
bakery | buy | baked; supermarket | buy | meal drink fruit; market | buy | fruit grocery;
market | sell | fruit; library | read | reading; station | meet | related;
airport | meet | related; museum | see | picture; zoo | see | animal; cinema | see | show;
hospital | visit | related; restaurant | eat | dish; café | drink | brew;
shop | buy | clothing thing pair; park | draw | plant
"""

# Where a thing can be: English and German preposition | classes of the place.
WHEREABOUTS = """
in in | room; in in | container; under unter | surface; next_to neben | top seat;
behind hinter | opening
"""
