"""Nouns of the same classes: English noun, German article, singular and plural.

An irregular English plural follows a slash. ``-`` marks a mass noun, which has no plural. A ``*``
after the article marks the German n-declension. `adjectives` and `verbs` refer to the classes.
"""

NOUNS = """
person many: man/men der Mann Männer, woman/women die Frau Frauen, student der* Student Studenten
person: guest der Gast Gäste
person young many: child/children das Kind Kinder, boy der* Junge Jungen, girl das Mädchen Mädchen
person worker: teacher der Lehrer Lehrer, doctor der Arzt Ärzte,
    waiter der Kellner Kellner, waitress die Kellnerin Kellnerinnen,
    baker der Bäcker Bäcker,
    artist der Künstler Künstler, singer die Sängerin Sängerinnen, driver der Fahrer Fahrer,
    actor der Schauspieler Schauspieler
related: neighbour der* Nachbar Nachbarn
related kin: friend der Freund Freunde
related: boss der Chef Chefs
related family: mother die Mutter Mütter, father der Vater Väter,
    grandmother die Großmutter Großmütter, grandfather der Großvater Großväter
related family kin: sister die Schwester Schwestern, brother der Bruder Brüder
related family: aunt die Tante Tanten, uncle der Onkel Onkel, cousin der Cousin Cousins
related family young: daughter die Tochter Töchter, son der Sohn Söhne
animal pet noise many: dog der Hund Hunde
animal pet many: cat die Katze Katzen
animal pet: rabbit das Kaninchen Kaninchen
animal pet noise many: bird der Vogel Vögel
animal noise quick: horse das Pferd Pferde
animal noise: cow die Kuh Kühe
animal: duck die Ente Enten,
    pig das Schwein Schweine
fruit food sweet colour3 many: apple der Apfel Äpfel
fruit food sweet many: banana die Banane Bananen, orange die Orange Orangen,
    cherry die Kirsche Kirschen, strawberry die Erdbeere Erdbeeren
grocery food colour3: tomato die Tomate Tomaten
grocery food: potato die Kartoffel Kartoffeln, carrot die Karotte Karotten, egg das Ei Eier,
    sausage die Wurst Würste
food baked dish sweet: cake der Kuchen Kuchen
food baked: roll das Brötchen Brötchen
food baked sweet: biscuit der Keks Kekse
mass meal baked solid fresh: bread das Brot -
mass meal: rice der Reis -
mass meal solid fresh: meat das Fleisch -, butter die Butter -
mass meal solid: cheese der Käse -
mass meal fresh: fruit das Obst -
pluralmass meal fresh: vegetables das Gemüse -
mass meal sweet: honey der Honig -
mass meal solid sweet: chocolate die Schokolade -
dish food warm: soup die Suppe Suppen, pizza die Pizza Pizzas, steak das Steak Steaks
dish food fresh: salad der Salat Salate
dish food: sandwich das Sandwich Sandwiches
mass drink cold: water das Wasser -, beer das Bier -
mass drink cold fresh: milk die Milch -
mass drink hot brew: tea der Tee -, coffee der Kaffee -
mass drink cold sweet: wine der Wein -, lemonade die Limonade -
mass drink cold sweet fresh: juice der Saft -
mass drink hot sweet: cocoa der Kakao -
vehicle own drivable quick colour many: car das Auto Autos
vehicle own ride quick colour: bicycle das Fahrrad Fahrräder
vehicle public bus drivable quick: bus der Bus Busse
vehicle public bus quick noise: train der Zug Züge
vehicle public bus: tram die Straßenbahn Straßenbahnen
vehicle drivable colour: taxi das Taxi Taxis
vehicle public: ship das Schiff Schiffe
vehicle own quick: boat das Boot Boote
vehicle own drivable noise: lorry der Lastwagen Lastwagen
vehicle public noise quick: plane das Flugzeug Flugzeuge
reading print flat thing long thick many: book das Buch Bücher
reading flat writing post reply long many: letter der Brief Briefe
reading print flat: newspaper die Zeitung Zeitungen
reading print flat long thick: novel der Roman Romane
reading writing learnable long: poem das Gedicht Gedichte
reading writing long: report der Bericht Berichte, text der Text Texte
reading writing reply long: message die Nachricht Nachrichten
reading flat writing reply picture: postcard die Postkarte Postkarten
reading writing tale long: story die Geschichte Geschichten
flat thing: map die Landkarte Landkarten
small flat ticket: ticket die Fahrkarte Fahrkarten
small flat document: passport der Pass Pässe
document flat blank: form das Formular Formulare
picture flat: photo das Foto Fotos
picture many: picture das Bild Bilder
thing: mirror der Spiegel Spiegel
device thing small: phone das Telefon Telefone, camera die Kamera Kameras
device thing machine quick: computer der Computer Computer
device thing machine noise: radio das Radio Radios
device machine noise: television der Fernseher Fernseher
device upright machine thing: lamp die Lampe Lampen
device thing: clock die Uhr Uhren
device single heavy: fridge der Kühlschrank Kühlschränke
device machine heavy: oven der Ofen Öfen
device machine: heater die Heizung Heizungen
small flat thing many: key der Schlüssel Schlüssel
luggage thing container colour: bag die Tasche Taschen
luggage container colour heavy thing: suitcase der Koffer Koffer,
    backpack der Rucksack Rucksäcke
luggage nest container heavy thing: box die Kiste Kisten
thing nest container: basket der Korb Körbe
thing small colour: umbrella der Regenschirm Regenschirme
thing flat small: pen der Stift Stifte, purse der Geldbeutel Geldbeutel, ring der Ring Ringe
cutlery flat thing: knife/knives das Messer Messer, fork die Gabel Gabeln,
    spoon der Löffel Löffel
toy flat thing colour: ball der Ball Bälle
toy thing: doll die Puppe Puppen
thing flat: gift das Geschenk Geschenke
luggage flat heavy: parcel das Paket Pakete
cloth flat thing colour: blanket die Decke Decken, towel das Handtuch Handtücher,
    pillow das Kissen Kissen
thing colour: carpet der Teppich Teppiche
dishes upright thing: glass das Glas Gläser
dishes upright thing many: bottle die Flasche Flaschen
dishes upright thing colour many: cup die Tasse Tassen
dishes upright thing: plate der Teller Teller
upright thing: vase die Vase Vasen, candle die Kerze Kerzen
plant thing colour3 many: flower die Blume Blumen
plant thing colour3: rose die Rose Rosen
plant tree many: tree der Baum Bäume
nature ground: garden der Garten Gärten
clothing colour many: shirt das Hemd Hemden
clothing colour length: dress das Kleid Kleider, skirt der Rock Röcke
clothing colour cosy length: coat der Mantel Mäntel
clothing colour cosy: jacket die Jacke Jacken
clothing colour: hat der Hut Hüte, blouse die Bluse Blusen, suit der Anzug Anzüge
pair colour: shoe der Schuh Schuhe
pair colour: sock die Socke Socken
pair colour cosy: glove der Handschuh Handschuhe
clothing colour cosy: scarf/scarves der Schal Schals, jumper der Pullover Pullover
furniture surface top: table der Tisch Tische
furniture seat colour many: chair der Stuhl Stühle
furniture seat colour: armchair der Sessel Sessel
furniture surface: bed das Bett Betten
furniture surface colour: sofa das Sofa Sofas
furniture surface top: shelf/shelves das Regal Regale, desk der Schreibtisch Schreibtische
furniture container heavy: wardrobe der Schrank Schränke
furniture seat: bench die Bank Bänke
container: drawer die Schublade Schubladen
room: room das Zimmer Zimmer, bathroom das Badezimmer Badezimmer,
    bedroom das Schlafzimmer Schlafzimmer, garage die Garage Garagen
room single: kitchen die Küche Küchen, living room das Wohnzimmer Wohnzimmer,
    cellar der Keller Keller
home: flat die Wohnung Wohnungen
home building colour4: house das Haus Häuser
building sight: castle das Schloss Schlösser
building sight high: tower der Turm Türme
building: bridge die Brücke Brücken
opening colour4 many: door die Tür Türen
opening many: window das Fenster Fenster
way long: street die Straße Straßen, path der Weg Wege
nature water long: river der Fluss Flüsse
nature water single: sea das Meer Meere
nature water: lake der See Seen
nature wild: forest der Wald Wälder
nature high: mountain der Berg Berge
nature: island die Insel Inseln
town: village das Dorf Dörfer, city die Stadt Städte, country das Land Länder
event festive: party die Party Partys, wedding die Hochzeit Hochzeiten
event work long: meeting die Besprechung Besprechungen, course der Kurs Kurse
event show festive long: concert das Konzert Konzerte
event test: exam die Prüfung Prüfungen
trip single: holiday der Urlaub Urlaube
trip: trip die Reise Reisen
show: film der Film Filme, play das Theaterstück Theaterstücke
song: song das Lied Lieder
game: game das Spiel Spiele
point answerable: question die Frage Fragen
task: problem das Problem Probleme, task die Aufgabe Aufgaben
idea: idea die Idee Ideen, plan der Plan Pläne
point mistake: mistake der Fehler Fehler
answer point: answer die Antwort Antworten
learnable point: word das Wort Wörter, rule die Regel Regeln
learnable point long: lesson die Lektion Lektionen
reading menu: menu die Speisekarte Speisekarten
mass abstract: time die Zeit -, money das Geld -, help die Hilfe -
body: head der Kopf Köpfe, back der Rücken Rücken, stomach der Bauch Bäuche, throat der Hals Hälse
body limb cool: foot/feet der Fuß Füße, hand die Hand Hände
body limb: leg das Bein Beine, arm der Arm Arme, ear das Ohr Ohren,
    tooth/teeth der Zahn Zähne, eye das Auge Augen
"""

# English and, where it differs, German; used without article.
LANGUAGES = """
German Deutsch, English Englisch, French Französisch, Spanish Spanisch, Italian Italienisch,
Russian Russisch, Polish Polnisch, Dutch Niederländisch
"""
GAMES = """
football Fußball, tennis Tennis, chess Schach, cards Karten, basketball Basketball,
handball Handball
"""
INSTRUMENTS = """
piano Klavier, guitar Gitarre, violin Geige, flute Flöte, trumpet Trompete, drums Schlagzeug
"""
CITIES = """
Berlin, Munich München, Hamburg, Cologne Köln, Vienna Wien, Zurich Zürich, Paris, London, Rome Rom,
Germany Deutschland, Austria Österreich, France Frankreich, Italy Italien, Spain Spanien, England
"""

# English | German noun | going there: to -> zu, in, auf, an | being there: English and German |
# classes: "hours": it opens and closes, "leisure": one goes there for pleasure.
PLACES = """
station | der Bahnhof Bahnhöfe | zu | at an |
airport | der Flughafen Flughäfen | zu | at an |
hotel | das Hotel Hotels | zu | in in |
museum | das Museum Museen | in | in in | hours leisure
cinema | das Kino Kinos | in | at in | hours leisure
theatre | das Theater Theater | in | at in | hours leisure
restaurant | das Restaurant Restaurants | in | in in | hours leisure
café | das Café Cafés | in | in in | hours leisure
school | die Schule Schulen | zu | at in |
university | die Universität Universitäten | zu | at an |
office | das Büro Büros | in | in in | hours
bank | die Bank Banken | zu | at in | hours
post office | die Post - | zu | at in | hours
bakery | die Bäckerei Bäckereien | zu | at in | hours
supermarket | der Supermarkt Supermärkte | in | at in | hours
pharmacy | die Apotheke Apotheken | zu | at in | hours
hospital | das Krankenhaus Krankenhäuser | in | in in |
library | die Bibliothek Bibliotheken | in | in in | hours leisure
church | die Kirche Kirchen | in | in in |
market | der Markt Märkte | auf | at auf | hours
beach | der Strand Strände | an | at an | leisure
park | der Park Parks | in | in in | leisure
swimming pool | das Schwimmbad Schwimmbäder | in | at in | hours leisure
stadium | das Stadion Stadien | in | at in | leisure
factory | die Fabrik Fabriken | in | at in |
shop | das Geschäft Geschäfte | in | in in | hours
zoo | der Zoo Zoos | in | at in | hours leisure
bus stop | die Haltestelle Haltestellen | zu | at an |
"""

WOMEN = "Anna Maria Julia Lisa Laura Sophie"
MEN = "Paul Peter David Martin Simon Daniel"
SURNAMES = "Weber Keller Wagner Becker Hoffmann Schneider Fischer Braun Krüger Vogel"

# English, German man, German woman.
PROFESSIONS = """
teacher | Lehrer | Lehrerin; doctor | Arzt | Ärztin; student | Student | Studentin;
baker | Bäcker | Bäckerin; actor | Schauspieler | Schauspielerin;
artist | Künstler | Künstlerin
"""
