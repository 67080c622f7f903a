# ruff: noqa: E501
"""Adverbials and phrases: English | German, in the notation of `phrase.template`."""

TIMES = {
    "present": """
every day | jeden Tag; every morning | jeden Morgen; every evening | jeden Abend;
every week | jede Woche; in:a the:a morning:b | am:a Morgen:b;
in:a the:a evening:b | am:a Abend:b; at:a night:b | in:a der:a Nacht:b;
at:a the:a weekend:b | am:a Wochenende:b
""",
    "progressive": """
now | jetzt; today | heute; this morning | heute Morgen; at:a the:a moment:b | im:a Moment:b
""",
    "past": """
yesterday | gestern; yesterday evening | gestern Abend; yesterday morning | gestern Morgen;
last week | letzte Woche;
two:t days:d ago:a | vor:a zwei:t Tagen:d; three:t weeks:d ago:a | vor:a drei:t Wochen:d;
an:t hour:d ago:a | vor:a einer:t Stunde:d
""",
    "future": """
tomorrow | morgen; tomorrow morning | morgen früh; tomorrow evening | morgen Abend;
this evening | heute Abend; next week | nächste Woche; soon | bald; later | später;
in:i an:t hour:h | in:i einer:t Stunde:h; in:i two:t days:h | in:i zwei:t Tagen:h
""",
    "modal": """
today | heute; now | jetzt; tomorrow | morgen; this evening | heute Abend;
tomorrow morning | morgen früh; next week | nächste Woche
""",
}

ADVERBS = {
    "present": """
always | immer; often | oft; never | nie; sometimes | manchmal; rarely | selten
""",
    "perfect": """
already | schon; just | gerade
""",
}

# Before another phrase: English | German | the marks with which that phrase ends.
OPENERS = """
hello! | hallo! | .?; good morning! | guten Morgen! | .?; good evening! | guten Abend! | .?;
excuse me, | Entschuldigung, | ?; yes, | ja, | .; thank you! | danke! | .;
I am sorry, | es tut mir leid, | .
"""

# English | German | polite German | German for several people; with two fields, the phrase
# addresses nobody. ``{name request}`` is a slot; in German the request is the case of a noun phrase
# or the order of a clause. `phrasebook.templates` describes the slots.
SPOKEN = """
good morning! | guten Morgen!; good evening! | guten Abend!; good night! | gute Nacht!;
goodbye! | auf Wiedersehen!; see you soon! | bis bald!; see you tomorrow! | bis morgen!;
see you later! | bis später!; hello! | hallo!; welcome! | herzlich willkommen!;
thank you. | danke.; thank you very much. | vielen Dank.; I am sorry. | es tut mir leid.;
excuse me. | Entschuldigung.; no problem. | kein Problem.;
merry Christmas! | frohe Weihnachten!; happy new year! | ein gutes neues Jahr!;
have a good trip! | gute Reise!; enjoy your meal! | guten Appetit!;
good luck! | viel Glück!; have fun! | viel Spaß!;
of course. | natürlich.; yes, please. | ja, bitte.; no, thank you. | nein, danke.;
maybe. | vielleicht.; I do not know. | ich weiß es nicht.; I know. | ich weiß.;
that is right. | das stimmt.; that is not right. | das stimmt nicht.;
that is too expensive. | das ist zu teuer.; that is very kind. | das ist sehr nett.;
I am fine. | es geht mir gut.; I am hungry. | ich habe Hunger.; I am thirsty. | ich habe Durst.;
I am very hungry. | ich habe großen Hunger.;
I am in a hurry. | ich habe es eilig.; I have no time. | ich habe keine Zeit.; I have no money. | ich habe kein Geld.;
it is cold today. | es ist heute kalt.; it is very warm today. | es ist heute sehr warm.;
the sun is shining. | die Sonne scheint.;
the weather is nice today. | das Wetter ist heute schön.;
the weather is bad today. | das Wetter ist heute schlecht.;
the weather was bad yesterday. | das Wetter war gestern schlecht.;
what time is it? | wie spät ist es?; what day is it today? | welcher Tag ist heute?;
where are the toilets? | wo sind die Toiletten?; is this seat taken? | ist dieser Platz besetzt?;
is this seat free? | ist dieser Platz frei?; the kitchen is closed. | die Küche ist geschlossen.;
the shop is closed. | das Geschäft ist geschlossen.;
the shop is open. | das Geschäft ist geöffnet.; that was very tasty. | das war sehr lecker.;
can I pay by card? | kann ich mit Karte zahlen?; I would like to pay. | ich möchte zahlen.;
the bill, please. | die Rechnung, bitte.; the menu, please. | die Speisekarte, bitte.;
could we:w have the:d menu:m, please? | könnten wir:w bitte die:d Speisekarte:m haben?;
we would like to order. | wir möchten bestellen.;
I am just looking around. | ich sehe mich nur um.; I am ill. | ich bin krank.;
I have a cold. | ich bin erkältet.;
I feel sick. | mir ist schlecht.; I am cold. | mir ist kalt.; I am warm. | mir ist warm.;
I have a question. | ich habe eine Frage.; I need a doctor. | ich brauche einen Arzt.;
help! | Hilfe!; I speak a little German. | ich spreche ein wenig Deutsch.;
I do not understand that. | ich verstehe das nicht.;
what does this word mean? | was bedeutet dieses Wort?;
how do you say that in German? | wie sagt man das auf Deutsch?
it:i is:r raining:r. | es:i regnet:r.
it:i is:r snowing:r. | es:i schneit:r.
it:i is:r raining:r in {1 city}. | es:i regnet:r in {1 n}.
it:i is:r snowing:r in {1 city}. | es:i schneit:r in {1 n}.
is:r it:i raining:r in {1 city}? | regnet:r es:i in {1 n}?
it:i is:r raining:r {1 time progressive}. | es:i regnet:r {1 n}.
it:i is:r snowing:r {1 time progressive}. | es:i schneit:r {1 n}.
it:i rained:r {1 time past}. | es:i hat:r {1 n} geregnet:r.
it:i snowed:r {1 time past}. | es:i hat:r {1 n} geschneit:r.
it will:w rain:r {1 time future}. | es wird:w {1 n} regnen:r.
it will:w snow:r {1 time future}. | es wird:w {1 n} schneien:r.
it is {1 weather}. | es ist {1 n}.
it is {1 weather} in:i {2 city}. | in:i {2 n} ist es {1 n}.
it is {1 weather} today:t. | es ist heute:t {1 n}.
it was {1 weather} {2 time past}. | es war {2 n} {1 n}.
the:t sun:s is:r shining:r in:i {1 city}. | in:i {1 n} scheint:r die:t Sonne:s.
the weather is nice in:i {1 city}. | das Wetter ist in:i {1 n} schön.
the weather was bad {1 time past}. | das Wetter war {1 n} schlecht.
thank:t you:t for:f {1 the thing}. | danke:t für:f {1 acc}.
thank:t you:t for:f {1 your reading}. | danke:t für:f {1 acc}.
thank:t you:t for:f your:y help:h. | danke:t für:f deine:y Hilfe:h. | danke:t für:f Ihre:y Hilfe:h. | danke:t für:f eure:y Hilfe:h.
many:t thanks:t for:f {1 the thing}. | vielen:t Dank:t für:f {1 acc}.
many:t thanks:t for the help. | vielen:t Dank:t für die Hilfe.
how are you? | wie geht es dir? | wie geht es Ihnen? | wie geht es euch?
what is your name? | wie heißt du? | wie heißen Sie? | wie heißt ihr?
where are you from? | woher kommst du? | woher kommen Sie? | woher kommt ihr?
where do you live? | wo wohnst du? | wo wohnen Sie? | wo wohnt ihr?
how old are you? | wie alt bist du? | wie alt sind Sie?
what are you doing? | was machst du? | was machen Sie? | was macht ihr?
where are you going? | wohin gehst du? | wohin gehen Sie? | wohin geht ihr?
are you hungry? | hast du Hunger? | haben Sie Hunger? | habt ihr Hunger?
are you thirsty? | hast du Durst? | haben Sie Durst?
are you tired? | bist du müde? | sind Sie müde? | seid ihr müde?
are you ready? | bist du fertig? | sind Sie fertig? | seid ihr fertig?
are you married? | bist du verheiratet? | sind Sie verheiratet?
are you ill? | bist du krank? | sind Sie krank?
are you on holiday here? | bist du hier im Urlaub? | sind Sie hier im Urlaub?
can you help me? | kannst du mir helfen? | können Sie mir helfen? | könnt ihr mir helfen?
could you help me, please? | könntest du mir bitte helfen? | könnten Sie mir bitte helfen?
could you repeat that, please? | könntest du das bitte wiederholen? | könnten Sie das bitte wiederholen?
could you speak more slowly, please? | könntest du bitte langsamer sprechen? | könnten Sie bitte langsamer sprechen?
do you understand me? | verstehst du mich? | verstehen Sie mich? | versteht ihr mich?
do you have time? | hast du Zeit? | haben Sie Zeit? | habt ihr Zeit?
do you have siblings? | hast du Geschwister? | haben Sie Geschwister?
may I ask you something? | darf ich dich etwas fragen? | darf ich Sie etwas fragen?
what would you like to drink? | was möchtest du trinken? | was möchten Sie trinken? | was möchtet ihr trinken?
what would you like to eat? | was möchtest du essen? | was möchten Sie essen?
what can I do for you? | was kann ich für dich tun? | was kann ich für Sie tun?
when do you get up? | wann stehst du auf? | wann stehen Sie auf? | wann steht ihr auf?
I will call you tomorrow. | ich werde dich morgen anrufen. | ich werde Sie morgen anrufen.
I do not understand you. | ich verstehe dich nicht. | ich verstehe Sie nicht. | ich verstehe euch nicht.
I thank you. | ich danke dir. | ich danke Ihnen. | ich danke euch.
nice to meet you. | schön, dich kennenzulernen. | schön, Sie kennenzulernen.
have a nice day. | ich wünsche dir einen schönen Tag. | ich wünsche Ihnen einen schönen Tag.
come in, please. | komm bitte herein. | kommen Sie bitte herein.
wait a moment, please. | warte bitte einen Moment. | warten Sie bitte einen Moment.
please call a doctor. | bitte ruf einen Arzt. | bitte rufen Sie einen Arzt.
please call the police. | bitte ruf die Polizei. | bitte rufen Sie die Polizei.
please take a seat. | bitte nimm Platz. | bitte nehmen Sie Platz.
please speak more slowly. | bitte sprich langsamer. | bitte sprechen Sie langsamer.
please show me your passport. | bitte zeige mir deinen Pass. | bitte zeigen Sie mir Ihren Pass.
I hope you like it. | ich hoffe, es gefällt dir. | ich hoffe, es gefällt Ihnen.
"""

# The sections of the phrasebook, with their shares of the corpus.
SECTIONS: dict[str, tuple[int, str]] = {
    "that is": (75, """
that was {1 adj thing building animal clothing vehicle fruit furniture}. | das war {1 nom}.
was that {1 adj thing building animal vehicle}? | war das {1 nom}?
that is {1 adj thing building animal clothing vehicle fruit furniture}. | das ist {1 nom}.
that is {1 a thing building animal clothing vehicle fruit furniture}. | das ist {1 nom}.
that is {1 most vehicle home}. | das ist {1 nom}.
that is {1 whose own clothing small print pet home luggage}. | das ist {1 nom}.
those are {1 plural many}. | das sind {1 nom}.
is that {1 adj thing building animal vehicle}? | ist das {1 nom}?
is that {1 whose own clothing small print pet home luggage}? | ist das {1 nom}?
is that {1 your own clothing small print pet home luggage}? | ist das {1 nom}?
are those {1 plural many}? | sind das {1 nom}?
"""),
    "order": (28, """
I would:w like:w {1 a dish}, please. | ich hätte:w gern:w {1 acc}, bitte.
I would:w like:w {1 a fruit}, please. | ich hätte:w gern:w {1 acc}, bitte.
I would:w like:w {1 a dish} and:a {2 some drink}, please. | ich hätte:w gern:w {1 acc} und:a {2 acc}, bitte.
I will:w take:w {1 the dish}, please. | ich nehme:w {1 acc}, bitte.
we will:w take:w {1 the dish} and:a {2 the dish}, please. | wir nehmen:w {1 acc} und:a {2 acc}, bitte.
for:f me:f {1 a dish} and:a a:b glass:c of:c {2 bare cold}, please. | für:f mich:f {1 acc} und:a ein:b Glas:c {2 acc}, bitte.
for:f me:f a:b glass:c of:c {2 bare cold}, please. | für:f mich:f ein:b Glas:c {2 acc}, bitte.
I would:w like:w a:b cup:c of:c {1 bare hot}, please. | ich hätte:w gern:w eine:b Tasse:c {1 acc}, bitte.
a:b bottle:c of:c {1 bare cold}, please. | eine:b Flasche:c {1 acc}, bitte.
a:b glass:c of:c {1 bare cold}, please. | ein:b Glas:c {1 acc}, bitte.
a:b cup:c of:c {1 bare hot}, please. | eine:b Tasse:c {1 acc}, bitte.
a:b kilo:c of:c {1 pl fruit}, please. | ein:b Kilo:c {1 acc}, bitte.
I would:w like:w {1 few} kilos:c of:c {2 pl fruit}. | ich hätte:w gern:w {1 n} Kilo:c {2 acc}.
a:b piece:c of:c {1 bare solid}, please. | ein:b Stück:c {1 acc}, bitte.
{1 the dish} costs:c {2 small} euros:e. | {1 nom} kostet:c {2 n} Euro:e.
a:a ticket:b to:c {1 city}, please. | eine:a Fahrkarte:b nach:c {1 n}, bitte.
I would:w like:w {2 few} tickets:b to:c {1 city}, please. | ich hätte:w gern:w {2 n} Fahrkarten:b nach:c {1 n}, bitte.
a:a table:b for:c {1 few} people:p, please. | einen:a Tisch:b für:c {1 n} Personen:p, bitte.
we:w would:g like:g {1 few} bottles:c of:c {2 bare cold}. | wir:w hätten:g gern:g {1 n} Flaschen:c {2 acc}.
"""),
    "shop": (9, """
how:h much:i does:c {1 the clothing} cost:c? | wie:h viel:i kostet:c {1 nom}?
how:h much:i does:c {1 this clothing} cost:c? | wie:h viel:i kostet:c {1 nom}?
how:h much:i does:c {1 this thing} cost:c? | wie:h viel:i kostet:c {1 nom}?
how:h much:i do:c {1 these pair} cost:c? | wie:h viel:i kosten:c {1 nom}?
how:h much:i do:c {1 these fruit} cost:c? | wie:h viel:i kosten:c {1 nom}?
"""),
    "way": (22, """
is:i there:t {1 a place} near:n here:h? | gibt:i es:t hier:h in:n der:n Nähe:n {1 acc}?
where is {1 nearest place}? | wo ist {1 nom}?
where is {1 the place}? | wo ist {1 nom}?
how:h do:d I:i get:g {1 way place}? | wie:h komme:dg ich:i {1 n}?
how:h far:f is:i it:t to:z {1 the place}? | wie:h weit:f ist:i es:t bis:z {1 zu}?
{1 the hours} is closed:c today:t. | {1 nom} ist heute:t geschlossen:c.
what:a time:a does:c {1 the hours} open:c? | wann:a öffnet:c {1 nom}?
what:a time:a does:c {1 the hours} close:c? | wann:a schließt:c {1 nom}?
where is {1 the place}? | wo ist {1 nom}?
where is {1 my small}? | wo ist {1 nom}?
where is {1 my related}? | wo ist {1 nom}?
"""),
    "travel": (30, """
when:w does:d the:a train:b to:c {1 city} leave:d? | wann:w fährt:d der:a Zug:b nach:c {1 n} ab:d?
when:w does:d the:a bus:b to:c {1 city} leave:d? | wann:w fährt:d der:a Bus:b nach:c {1 n} ab:d?
when:w does:d the:a train:b from:c {1 city} arrive:d? | wann:w kommt:d der:a Zug:b aus:c {1 n} an:d?
which:a platform:b does:d the:e train:f to:g {1 city} leave:d from:h? | von:h welchem:a Gleis:b fährt:d der:e Zug:f nach:g {1 n} ab:d?
the:e train:f to:g {1 city} leaves:d from:h platform:b {2 small}. | der:e Zug:f nach:g {1 n} fährt:d von:h Gleis:b {2 n} ab:d.
how:h long:l does:d the:a train:b to:c {1 city} take:d? | wie:h lange:l braucht:d der:a Zug:b nach:c {1 n}?
I need:n a:a ticket:b to:c {1 city}. | ich brauche:n eine:a Fahrkarte:b nach:c {1 n}.
I:i am:f from:f {1 city}. | ich:i komme:f aus:f {1 n}.
we:w are:f from:f {1 city}. | wir:w kommen:f aus:f {1 n}.
I live in {1 city}. | ich wohne in {1 n}.
we:w will:b stay:s for:s {1 few} weeks:n in:i {2 city}. | wir:w werden:b {1 n} Wochen:n in:i {2 n} bleiben:s.
I:i live:l with:w {1 my related} in:n {2 city}. | ich:i wohne:l mit:w {1 dat} in:n {2 n}.
I:i am:a going:a to:b {1 city} with:w {2 my related}. | ich:i fahre:a mit:w {2 dat} nach:b {1 n}.
we:w are:g going:g to:t {1 city} by:b train:v. | wir:w fahren:g mit:b dem:b Zug:v nach:t {1 n}.
we:w are:g going:g to:t {1 city} by:b bus:v. | wir:w fahren:g mit:b dem:b Bus:v nach:t {1 n}.
we:w are:g going:g to:t {1 city} by:b car:v. | wir:w fahren:g mit:b dem:b Auto:v nach:t {1 n}.
we:w are:g going:g to:t {1 city} by:b bicycle:v. | wir:w fahren:g mit:b dem:b Fahrrad:v nach:t {1 n}.
I:i take:t {1 the bus} to:b {2 city}. | ich:i fahre:t mit:t {1 dat} nach:b {2 n}.
{1 person} was:b born:c in:d {2 city}. | {1 nom} wurde:b in:d {2 n} geboren:c.
"""),
    "number": (50, """
{1 the clothing} costs:c {2 number} euros:e. | {1 nom} kostet:c {2 n} Euro:e.
{1 the thing} costs:c {2 number} euros:e. | {1 nom} kostet:c {2 n} Euro:e.
it costs:c {1 number} euros:e. | es kostet:c {1 n} Euro:e.
that:t comes:c to:c {1 number} euros:e. | das:t macht:c {1 n} Euro:e.
the:a train:b to:c {1 city} is:i {2 many} minutes:m late:l. | der:a Zug:b nach:c {1 n} hat:i {2 n} Minuten:m Verspätung:l.
I am {1 age} years old. | ich bin {1 n} Jahre alt.
{1 my many} is {2 number} years old. | {1 nom} ist {2 n} Jahre alt.
{1 person} is {2 age} years old. | {1 nom} ist {2 n} Jahre alt.
my:m room:r is:i number:n {1 number}. | mein:m Zimmer:r hat:i die:n Nummer:n {1 n}.
the:a key:b to:c room:d {1 number}, please. | den:a Schlüssel:b für:c Zimmer:d {1 n}, bitte.
"""),
    "clock": (90, """
{1 the hours} opens:c at:o {2 clock}. | {1 nom} öffnet:c um:o {2 n}.
{1 the hours} closes:c at:o {2 clock}. | {1 nom} schließt:c um:o {2 n}.
we:w are:m meeting:m at:t {1 clock} {2 in place}. | wir:w treffen:m uns:m um:t {1 n} {2 at}.
the:a train:b to:c {1 city} leaves:d at:e {2 clock}. | der:a Zug:b nach:c {1 n} fährt:d um:e {2 n} ab:d.
the:a train:b from:c {1 city} arrives:d at:e {2 clock}. | der:a Zug:b aus:c {1 n} kommt:d um:e {2 n} an:d.
the:a bus:b to:c {1 city} leaves:d at:e {2 clock}. | der:a Bus:b nach:c {1 n} fährt:d um:e {2 n} ab:d.
the:a plane:b to:c {1 city} leaves:d at:e {2 clock}. | das:a Flugzeug:b nach:c {1 n} fliegt:d um:e {2 n} ab:d.
breakfast:a begins:b at:c {1 early}. | das:a Frühstück:a beginnt:b um:c {1 n}.
it is {1 clock}. | es ist {1 n}.
{1 the event} begins:b at:a {2 clock}. | {1 nom} beginnt:b um:a {2 n}.
{1 the event} ends:b at:a {2 clock}. | {1 nom} endet:b um:a {2 n}.
what time is it? it is {1 clock}. | wie spät ist es? es ist {1 n}.
I:i get:g up:g at:a {1 early}. | ich:i stehe:g um:a {1 n} auf:g.
"""),
    "calendar": (35, """
{1 the hours} is closed:c on:o {2 weekday}. | {1 nom} ist am:o {2 n} geschlossen:c.
{1 the hours} is open:c on:o {2 weekday}. | {1 nom} ist am:o {2 n} geöffnet:c.
we:w are:m meeting:m on:t {1 weekday} {2 in place}. | wir:w treffen:m uns:m am:t {1 n} {2 at}.
today is {1 weekday}. | heute ist {1 n}.
tomorrow is {1 weekday}. | morgen ist {1 n}.
my birthday is {1 date}. | mein Geburtstag ist {1 n}.
{1 the event} is:b on:a {2 weekday}. | {1 nom} ist:b am:a {2 n}.
{1 the event} is:b {2 date}. | {1 nom} ist:b {2 n}.
{1 the event} begins:b {2 date}. | {1 nom} beginnt:b {2 n}.
I play {1 game} on:o {2 weekday}. | ich spiele am:o {2 n} {1 n}.
{1 person} was:b born:c {2 date}. | {1 nom} wurde:b {2 n} geboren:c.
"""),
    "skill": (66, """
do:s you:y speak:s {1 language}? | sprichst:s du:y {1 n}? | sprechen:s Sie:y {1 n}?
I speak {1 language}. | ich spreche {1 n}.
I am:a learning:a {1 language}. | ich lerne:a {1 n}.
I:i speak:s {1 language} and:a a:b little:c {2 language}. | ich:i spreche:s {1 n} und:a ein:b wenig:c {2 n}.
does:s {1 person} speak:s {2 language}? | spricht:s {1 nom} {2 n}?
{1 person} speaks {2 language}. | {1 nom} spricht {2 n}.
{1 person} speaks:s very:v good:g {2 language}. | {1 nom} spricht:s sehr:v gut:g {2 n}.
{1 my related} does:s not:n speak:s {2 language}. | {1 nom} spricht:s kein:n {2 n}.
what:w does:m {1 this learnable} mean:m in:i {2 language}? | was:w bedeutet:m {1 nom} auf:i {2 n}?
{1 person} plays {2 game}. | {1 nom} spielt {2 n}.
we often play {1 game}. | wir spielen oft {1 n}.
{1 my related} plays {2 game} with:w {3 person}. | {1 nom} spielt mit:w {3 dat} {2 n}.
{1 my related} plays:p the:q {2 instrument}. | {1 nom} spielt:pq {2 n}.
{1 person} can:c play:p the:q {2 instrument}. | {1 nom} kann:c {2 n} spielen:pq.
{1 person} is:a learning:a to:b play:p the:q {2 instrument}. | {1 nom} lernt:a {2 n} spielen:bpq.
"""),
    "body": (40, """
{1 own body} hurts:b. | {1 nom} tut:b weh:b.
{1 own body} hurts:b very:v much:v. | {1 nom} tut:b sehr:v weh:b.
{1 own body} still:v hurts:b. | {1 nom} tut:b immer:v noch:v weh:b.
{1 own body} has:b been:b hurting:b for:f {2 few} days:d. | {1 nom} tut:b seit:f {2 n} Tagen:d weh:b.
{1 ownpl cool} are:w cold:c. | {1 nom} sind:w kalt:c.
the:t doctor:d examines:e {1 own body}. | der:t Arzt:d untersucht:e {1 acc}.
the:t doctor:d has:h examined:e {1 own body}. | der:t Arzt:d hat:h {1 acc} untersucht:e.
I:i cannot:cn move:m {1 my limb}. | ich:i kann:c {1 acc} nicht:n bewegen:m.
does:b {1 your body} hurt:b? | tut:b {1 nom} weh:b?
I:i have:h had:v {1 ache} for:f {2 few} days:d. | ich:i habe:hv seit:f {2 n} Tagen:d {1 n}.
I:i have:h {1 ache}. | ich:i habe:h {1 n}.
"""),
    "life": (35, """
my name is {1 person}. | mein Name ist {1 nom}.
this:t is {1 my related}. | das:t ist {1 nom}.
this:t is {1 person}. | das:t ist {1 nom}.
I have reserved:r a:a table:b for:c {1 few} people:p. | ich habe einen:a Tisch:b für:c {1 n} Personen:p reserviert:r.
I would:w like:w to:w reserve:r a:a table:b for:c {1 few} people:p. | ich möchte:w einen:a Tisch:b für:c {1 n} Personen:p reservieren:r.
I would:w like:w to:w reserve:r a:a room:b for:c {1 few} nights:n. | ich möchte:w ein:a Zimmer:b für:c {1 n} Nächte:n reservieren:r.
I:i have:h reserved:r a:a room:b for:c {1 few} nights:n. | ich:i habe:h ein:a Zimmer:b für:c {1 n} Nächte:n reserviert:r.
we:w are:s staying:s for:s {1 few} nights:n. | wir:w bleiben:s {1 n} Nächte:n.
when:w does:b {1 the event} begin:b? | wann:w beginnt:b {1 nom}?
when:w does:b {1 the event} end:b? | wann:w endet:b {1 nom}?
I:i am:l looking:l forward:l to:f {1 the event show trip}. | ich:i freue:l mich:l auf:f {1 acc}.
he:i is:l looking:l forward:l to:f {1 the event show trip}. | er:i freut:l sich:l auf:f {1 acc}.
{1 my related} is:l looking:l forward:l to:f {2 the event show trip}. | {1 nom} freut:l sich:l auf:f {2 acc}.
{1 the event} takes:t {2 few} hours:h. | {1 nom} dauert:t {2 n} Stunden:h.
there:t is:i {1 a flat} {2 on top}. | {2 in} liegt:it {1 nom}.
there:t is:i {1 a upright} {2 on top}. | {2 in} steht:it {1 nom}.
there:t is:i {1 no solid} in:f the:f fridge:g. | im:f Kühlschrank:g ist:it {1 nom}.
I have never:n been:b to:t {1 city}. | ich war:b noch:n nie:n in:t {1 n}.
have:b you:y been:b to:t {1 city}? | warst:b du:y schon:b einmal:b in:t {1 n}? | waren:b Sie:y schon:b einmal:b in:t {1 n}? | wart:b ihr:y schon:b einmal:b in:t {1 n}?
do:h you:y have:h {1 a pet}? | hast:h du:y {1 acc}? | haben:h Sie:y {1 acc}? | habt:h ihr:y {1 acc}?
do:h you:y like:h {1 bare drink}? | magst:h du:y {1 acc}? | mögen:h Sie:y {1 acc}? | mögt:h ihr:y {1 acc}?
do:w you:y live:w in {1 city}? | wohnst:w du:y in {1 n}? | wohnen:w Sie:y in {1 n}? | wohnt:w ihr:y in {1 n}?
how:h is:g {1 my related}? | wie:h geht:g es:g {1 dat}?
{1 my related} is:g fine:g. | {1 dat} geht:g es:g gut:g.
{1 my related} lives in {2 city}. | {1 nom} wohnt in {2 n}.
what:w is:i that? | was:w ist:i das?
who is that? | wer ist das?
who is {1 person}? | wer ist {1 nom}?
"""),
    "that": (45, """
I:i know:k that {1 clause}. | ich:i weiß:k, dass {1 last}.
I:i think:k that {1 clause}. | ich:i denke:k, dass {1 last}.
I:i believe:k that {1 clause}. | ich:i glaube:k, dass {1 last}.
I:i hope:k that {1 clause hope}. | ich:i hoffe:k, dass {1 last}.
we:i know:k that {1 clause}. | wir:i wissen:k, dass {1 last}.
we:i hope:k that {1 clause hope}. | wir:i hoffen:k, dass {1 last}.
he:i says:k that {1 clause}. | er:i sagt:k, dass {1 last}.
she:i says:k that {1 clause}. | sie:i sagt:k, dass {1 last}.
they:i say:k that {1 clause}. | sie:i sagen:k, dass {1 last}.
she:i thinks:k that {1 clause}. | sie:i denkt:k, dass {1 last}.
I:i have:h heard:k that {1 clause}. | ich:i habe:h gehört:k, dass {1 last}.
"""),
    "whether": (35, """
I:i do:n not:n know:k {1 asking}. | ich:i weiß:k nicht:n, {1 last}.
we:i do:n not:n know:k {1 asking}. | wir:i wissen:k nicht:n, {1 last}.
she:i does:n not:n know:k {1 asking}. | sie:i weiß:k nicht:n, {1 last}.
he:i asks:k me:m {1 asking}. | er:i fragt:k mich:m, {1 last}.
they:i ask:k us:m {1 asking}. | sie:i fragen:k uns:m, {1 last}.
do:k you:y know:k {1 asking}? | weißt:k du:y, {1 last}? | wissen:k Sie:y, {1 last}? | wisst:k ihr:y, {1 last}?
do:k you:y know:k where {1 the place} is? | weißt:k du:y, wo {1 nom} ist? | wissen:k Sie:y, wo {1 nom} ist? | wisst:k ihr:y, wo {1 nom} ist?
can:c you:y tell:s me:m where {1 the place} is? | kannst:c du:y mir:m sagen:s, wo {1 nom} ist? | können:c Sie:y mir:m sagen:s, wo {1 nom} ist? | könnt:c ihr:y mir:m sagen:s, wo {1 nom} ist?
"""),
    "condition": (30, """
{2 condition}, {1 clause free}. | {2 n}, {1 first}.
{1 clause free} {2 condition}. | {1 second}, {2 n}.
if I:i have:h time:t, {1 clause free I}. | wenn ich:i Zeit:t habe:h, {1 first}.
if I:i have:h a:a day:t off:o, {1 clause free I}. | wenn ich:i einen:a Tag:t frei:o habe:h, {1 first}.
if we:i have:h time:t, {1 clause free we}. | wenn wir:i Zeit:t haben:h, {1 first}.
{1 clause free I} if I:i have:h time:t. | {1 second}, wenn ich:i Zeit:t habe:h.
{1 clause free we} if we:i have:h time:t. | {1 second}, wenn wir:i Zeit:t haben:h.
"""),
}  # fmt: skip

CONDITIONS = """
if it rains | wenn es regnet; when it rains | wenn es regnet; if it snows | wenn es schneit;
if the sun shines | wenn die Sonne scheint; when the sun shines | wenn die Sonne scheint;
if the:t weather:w is nice:n | wenn das:t Wetter:w schön:n ist;
if it is:i cold:c | wenn es kalt:c ist:i; when it is:i warm:c | wenn es warm:c ist:i
"""

WEATHER = "warm, cold kalt, hot heiß"

ACHES = """
a headache | Kopfschmerzen; a stomach ache | Bauchschmerzen; a toothache | Zahnschmerzen;
a sore throat | Halsschmerzen
"""

# Questions in subordinate clauses.
ASKING = """
whether | ob; whether | ob; when | wann; why | warum; where | wo
"""
