"""Nouns: English | German article, singular, plural | classes.

An irregular English plural follows a slash. ``-`` marks a mass noun, which has no plural. A ``*``
after the article marks the German n-declension. `adjectives` and `verbs` refer to the classes.
"""

NOUNS = """
man/men | der Mann Männer | person
woman/women | die Frau Frauen | person
child/children | das Kind Kinder | person young
boy | der* Junge Jungen | person young
girl | das Mädchen Mädchen | person young
teacher | der Lehrer Lehrer | person worker
doctor | der Arzt Ärzte | person worker
waiter | der Kellner Kellner | person worker
waitress | die Kellnerin Kellnerinnen | person worker
nurse | die Krankenschwester Krankenschwestern | person worker
student | der* Student Studenten | person
tourist | der* Tourist Touristen | person
guest | der Gast Gäste | person
police officer | der* Polizist Polizisten | person worker
baker | der Bäcker Bäcker | person worker
artist | der Künstler Künstler | person worker
singer | die Sängerin Sängerinnen | person worker
driver | der Fahrer Fahrer | person worker
lawyer | der Anwalt Anwälte | person worker
engineer | der Ingenieur Ingenieure | person worker
farmer | der* Bauer Bauern | person worker
mechanic | der Mechaniker Mechaniker | person worker
journalist | der* Journalist Journalisten | person worker
actor | der Schauspieler Schauspieler | person worker
neighbour | der* Nachbar Nachbarn | person related
colleague | der* Kollege Kollegen | person related
boss | der Chef Chefs | person related
friend | der Freund Freunde | person related
mother | die Mutter Mütter | related family
father | der Vater Väter | related family
sister | die Schwester Schwestern | related family many
brother | der Bruder Brüder | related family many
daughter | die Tochter Töchter | related family many young
son | der Sohn Söhne | related family many young
aunt | die Tante Tanten | related family many
uncle | der Onkel Onkel | related family many
grandmother | die Großmutter Großmütter | related family
grandfather | der Großvater Großväter | related family
cousin | der Cousin Cousins | related family many

dog | der Hund Hunde | animal pet
cat | die Katze Katzen | animal pet
bird | der Vogel Vögel | animal pet
horse | das Pferd Pferde | animal
cow | die Kuh Kühe | animal
mouse/mice | die Maus Mäuse | animal
rabbit | das Kaninchen Kaninchen | animal pet
goat | die Ziege Ziegen | animal
bear | der* Bär Bären | animal
duck | die Ente Enten | animal
pig | das Schwein Schweine | animal

apple | der Apfel Äpfel | fruit food
banana | die Banane Bananen | fruit food
orange | die Orange Orangen | fruit food
pear | die Birne Birnen | fruit food
cherry | die Kirsche Kirschen | fruit food
strawberry | die Erdbeere Erdbeeren | fruit food
tomato | die Tomate Tomaten | fruit food
potato | die Kartoffel Kartoffeln | grocery food
carrot | die Karotte Karotten | grocery food
egg | das Ei Eier | grocery food
sausage | die Wurst Würste | grocery food
cake | der Kuchen Kuchen | food baked dish
roll | das Brötchen Brötchen | food baked
biscuit | der Keks Kekse | food baked
bread | das Brot - | mass meal baked solid
rice | der Reis - | mass meal
meat | das Fleisch - | mass meal solid
cheese | der Käse - | mass meal solid
butter | die Butter - | mass meal solid
fruit | das Obst - | mass meal
vegetables | das Gemüse - | pluralmass meal
honey | der Honig - | mass meal
chocolate | die Schokolade - | mass meal solid
soup | die Suppe Suppen | dish food warm
salad | der Salat Salate | dish food
pizza | die Pizza Pizzas | dish food warm
steak | das Steak Steaks | dish food warm
sandwich | das Sandwich Sandwiches | dish food
schnitzel | das Schnitzel Schnitzel | dish food warm
omelette | das Omelett Omeletts | dish food warm

water | das Wasser - | mass drink cold
milk | die Milch - | mass drink cold
tea | der Tee - | mass drink hot
coffee | der Kaffee - | mass drink hot
beer | das Bier - | mass drink cold
wine | der Wein - | mass drink cold
juice | der Saft - | mass drink cold
lemonade | die Limonade - | mass drink cold
cocoa | der Kakao - | mass drink hot

car | das Auto Autos | vehicle own drivable
bicycle | das Fahrrad Fahrräder | vehicle own ride
bus | der Bus Busse | vehicle public bus drivable
train | der Zug Züge | vehicle public bus
tram | die Straßenbahn Straßenbahnen | vehicle public bus
taxi | das Taxi Taxis | vehicle drivable
ship | das Schiff Schiffe | vehicle public
boat | das Boot Boote | vehicle own
motorcycle | das Motorrad Motorräder | vehicle own ride
lorry | der Lastwagen Lastwagen | vehicle own drivable
plane | das Flugzeug Flugzeuge | vehicle public

book | das Buch Bücher | reading flat thing print
letter | der Brief Briefe | reading flat writing post
newspaper | die Zeitung Zeitungen | reading flat thing print
magazine | die Zeitschrift Zeitschriften | reading flat thing print
novel | der Roman Romane | reading flat thing print
poem | das Gedicht Gedichte | reading writing learnable
report | der Bericht Berichte | reading writing
message | die Nachricht Nachrichten | reading writing post
postcard | die Postkarte Postkarten | reading flat writing thing
text | der Text Texte | reading writing
story | die Geschichte Geschichten | reading writing tale
map | die Landkarte Landkarten | flat thing
dictionary | das Wörterbuch Wörterbücher | flat thing print
ticket | die Fahrkarte Fahrkarten | flat small ticket
passport | der Pass Pässe | flat small document
form | das Formular Formulare | flat document blank
photo | das Foto Fotos | flat picture
picture | das Bild Bilder | picture hanging
calendar | der Kalender Kalender | hanging thing
mirror | der Spiegel Spiegel | hanging thing

phone | das Telefon Telefone | device thing
computer | der Computer Computer | device thing machine
radio | das Radio Radios | device thing machine
television | der Fernseher Fernseher | device machine
camera | die Kamera Kameras | device thing small
lamp | die Lampe Lampen | upright machine thing
clock | die Uhr Uhren | device thing hanging
washing machine | die Waschmaschine Waschmaschinen | device machine
fridge | der Kühlschrank Kühlschränke | device furniture
oven | der Ofen Öfen | device machine
heater | die Heizung Heizungen | machine device

key | der Schlüssel Schlüssel | flat small thing
bag | die Tasche Taschen | thing luggage container
suitcase | der Koffer Koffer | thing luggage container
backpack | der Rucksack Rucksäcke | thing luggage container
box | die Kiste Kisten | nest container luggage thing
basket | der Korb Körbe | nest container thing
umbrella | der Regenschirm Regenschirme | thing small
pen | der Stift Stifte | flat small thing
knife/knives | das Messer Messer | flat cutlery thing
fork | die Gabel Gabeln | flat cutlery thing
spoon | der Löffel Löffel | flat cutlery thing
ball | der Ball Bälle | flat thing toy
doll | die Puppe Puppen | thing toy
gift | das Geschenk Geschenke | flat thing
parcel | das Paket Pakete | flat luggage
purse | der Geldbeutel Geldbeutel | flat small thing
ring | der Ring Ringe | flat small thing
blanket | die Decke Decken | flat thing cloth
towel | das Handtuch Handtücher | flat thing cloth
pillow | das Kissen Kissen | flat thing cloth
carpet | der Teppich Teppiche | thing
glass | das Glas Gläser | upright thing
bottle | die Flasche Flaschen | upright thing
cup | die Tasse Tassen | upright thing
plate | der Teller Teller | upright thing
vase | die Vase Vasen | upright thing
candle | die Kerze Kerzen | upright thing
flower | die Blume Blumen | plant thing
rose | die Rose Rosen | plant thing
tree | der Baum Bäume | plant
garden | der Garten Gärten | ground

shirt | das Hemd Hemden | clothing
dress | das Kleid Kleider | clothing
coat | der Mantel Mäntel | clothing hanging
jacket | die Jacke Jacken | clothing hanging
skirt | der Rock Röcke | clothing
hat | der Hut Hüte | clothing
shoe | der Schuh Schuhe | pair
sock | die Socke Socken | pair
glove | der Handschuh Handschuhe | pair
scarf/scarves | der Schal Schals | clothing
jumper | der Pullover Pullover | clothing
blouse | die Bluse Blusen | clothing
suit | der Anzug Anzüge | clothing
tie | die Krawatte Krawatten | clothing

table | der Tisch Tische | furniture surface
chair | der Stuhl Stühle | furniture seat
armchair | der Sessel Sessel | furniture seat
bed | das Bett Betten | furniture surface
sofa | das Sofa Sofas | furniture surface
shelf/shelves | das Regal Regale | furniture surface
wardrobe | der Schrank Schränke | furniture container
desk | der Schreibtisch Schreibtische | furniture surface
bench | die Bank Bänke | furniture seat
drawer | die Schublade Schubladen | container

room | das Zimmer Zimmer | room
kitchen | die Küche Küchen | room
bathroom | das Badezimmer Badezimmer | room
bedroom | das Schlafzimmer Schlafzimmer | room
living room | das Wohnzimmer Wohnzimmer | room
cellar | der Keller Keller | room
garage | die Garage Garagen | room
flat | die Wohnung Wohnungen | home
house | das Haus Häuser | home building
villa | die Villa Villen | home building
castle | das Schloss Schlösser | building sight
tower | der Turm Türme | building sight high
bridge | die Brücke Brücken | building sight
door | die Tür Türen | opening
window | das Fenster Fenster | opening
gate | das Tor Tore | opening
wall | die Wand Wände | wall high
street | die Straße Straßen | way
path | der Weg Wege | way
river | der Fluss Flüsse | nature water
sea | das Meer Meere | nature water
lake | der See Seen | nature water
forest | der Wald Wälder | nature wild
mountain | der Berg Berge | nature high
island | die Insel Inseln | nature
village | das Dorf Dörfer | town
city | die Stadt Städte | town
country | das Land Länder | town

party | die Party Partys | event
meeting | die Besprechung Besprechungen | event work
concert | das Konzert Konzerte | event show
course | der Kurs Kurse | event work
exam | die Prüfung Prüfungen | event test
wedding | die Hochzeit Hochzeiten | event
holiday | der Urlaub Urlaube | trip
trip | die Reise Reisen | trip
film | der Film Filme | show
play | das Theaterstück Theaterstücke | show
song | das Lied Lieder | song
game | das Spiel Spiele | game
question | die Frage Fragen | answerable point
problem | das Problem Probleme | idea task
idea | die Idee Ideen | idea
plan | der Plan Pläne | idea
mistake | der Fehler Fehler | mistake point
answer | die Antwort Antworten | answer point
word | das Wort Wörter | learnable point
rule | die Regel Regeln | learnable point
lesson | die Lektion Lektionen | learnable point
task | die Aufgabe Aufgaben | task
bill | die Rechnung Rechnungen | bill
menu | die Speisekarte Speisekarten | menu
time | die Zeit - | mass abstract
money | das Geld - | mass abstract
help | die Hilfe - | mass abstract
head | der Kopf Köpfe | body
back | der Rücken Rücken | body
belly | der Bauch Bäuche | body
throat | der Hals Hälse | body
foot/feet | der Fuß Füße | body limb cool
leg | das Bein Beine | body limb cool
arm | der Arm Arme | body limb cool
hand | die Hand Hände | body limb cool
finger | der Finger Finger | body limb cool
tooth/teeth | der Zahn Zähne | body limb
knee | das Knie Knie | body limb
ear | das Ohr Ohren | body limb cool
eye | das Auge Augen | body limb
"""

# English | German: used without article.
LANGUAGES = """
German | Deutsch
English | Englisch
French | Französisch
Spanish | Spanisch
Italian | Italienisch
Russian | Russisch
Polish | Polnisch
Dutch | Niederländisch
"""

GAMES = """
football | Fußball
tennis | Tennis
chess | Schach
cards | Karten
basketball | Basketball
handball | Handball
"""

INSTRUMENTS = """
piano | Klavier
guitar | Gitarre
violin | Geige
flute | Flöte
trumpet | Trompete
drums | Schlagzeug
"""

# Towns and countries that need no article in German.
CITIES = """
Berlin | Berlin
Munich | München
Hamburg | Hamburg
Cologne | Köln
Vienna | Wien
Zurich | Zürich
Paris | Paris
London | London
Rome | Rom
Germany | Deutschland
Austria | Österreich
France | Frankreich
Italy | Italien
Spain | Spanien
England | England
"""

# English | German noun | going there: to -> zu, in, auf, an | being there: English and German.
PLACES = """
station | der Bahnhof Bahnhöfe | zu | at an
airport | der Flughafen Flughäfen | zu | at an
hotel | das Hotel Hotels | zu | in in
museum | das Museum Museen | in | in in
cinema | das Kino Kinos | in | at in
theatre | das Theater Theater | in | at in
restaurant | das Restaurant Restaurants | in | in in
café | das Café Cafés | in | in in
school | die Schule Schulen | zu | at in
university | die Universität Universitäten | zu | at an
office | das Büro Büros | in | in in
bank | die Bank Banken | zu | at in
post office | die Post - | zu | at bei
bakery | die Bäckerei Bäckereien | zu | at in
supermarket | der Supermarkt Supermärkte | in | at in
pharmacy | die Apotheke Apotheken | zu | at in
hospital | das Krankenhaus Krankenhäuser | in | in in
library | die Bibliothek Bibliotheken | in | in in
church | die Kirche Kirchen | in | in in
market | der Markt Märkte | auf | at auf
beach | der Strand Strände | an | at an
park | der Park Parks | in | in in
swimming pool | das Schwimmbad Schwimmbäder | in | at in
stadium | das Stadion Stadien | in | at in
factory | die Fabrik Fabriken | in | at in
shop | das Geschäft Geschäfte | in | in in
zoo | der Zoo Zoos | in | at in
bus stop | die Haltestelle Haltestellen | zu | at an
"""

FIRST_NAMES = """
Anna f
Maria f
Julia f
Lisa f
Laura f
Sophie f
Paul m
Peter m
David m
Martin m
Simon m
Daniel m
"""

SURNAMES = (
    "Weber", "Keller", "Wagner", "Becker", "Hoffmann", "Schneider", "Fischer", "Braun", "Krüger",
    "Vogel",
)  # fmt: skip

# English | German man | German woman
PROFESSIONS = """
teacher | Lehrer | Lehrerin
doctor | Arzt | Ärztin
lawyer | Anwalt | Anwältin
engineer | Ingenieur | Ingenieurin
student | Student | Studentin
baker | Bäcker | Bäckerin
journalist | Journalist | Journalistin
police officer | Polizist | Polizistin
actor | Schauspieler | Schauspielerin
farmer | Bauer | Bäuerin
mechanic | Mechaniker | Mechanikerin
artist | Künstler | Künstlerin
"""
