# ruff: noqa: E501
"""Adjectives: English [comparative superlative] | German [comparative superlative] | noun classes.

Without an entry, comparatives are regular (English: -er, or "more" if the second field is ``more``;
German: -er). ``-`` means no comparison.
"""

ADJECTIVES = """
old older oldest | alt älter ältest | person animal vehicle reading device thing clothing furniture building home related town opening plant machine
young younger youngest | jung jünger jüngst | person animal
new newer newest | neu neuer neuest | vehicle reading device thing clothing furniture building home show machine idea pair
big bigger biggest | groß größer größt | animal vehicle device furniture building home room town plant nature luggage toy food opening ground container
small smaller smallest | klein kleiner kleinst | person animal vehicle device furniture building home room town nature luggage toy food ground opening container
tall taller tallest | groß größer größt | person
good better best | gut besser best | worker reading food meal drink show idea event device game song
bad worse worst | schlecht schlechter schlechtest | reading meal food drink show idea device game
beautiful more | schön schöner schönst | reading clothing plant town building home nature hanging song trip show vehicle
ugly uglier ugliest | hässlich | building clothing furniture picture hanging town
expensive more | teuer teurer teuerst | vehicle device clothing furniture food meal drink home trip thing pair
cheap cheaper cheapest | billig | vehicle device clothing furniture food meal drink home thing pair ticket
long longer longest | lang länger längst | menu reading event trip show way nature task bill
short shorter shortest | kurz kürzer kürzest | reading event trip show way task clothing
heavy heavier heaviest | schwer | luggage furniture device machine
light lighter lightest | leicht | luggage furniture
difficult more | schwierig | point test task
easy easier easiest | einfach | point test task
important more | wichtig | reading event idea task document point test
interesting more | interessant | reading event show idea task person picture trip point town
boring more | langweilig | reading event show task game trip
exciting more | spannend | reading show game trip
funny funnier funniest | lustig | reading show game person song idea
clever cleverer cleverest | klug klüger klügst | person animal idea answerable answer
friendly friendlier friendliest | freundlich | person
polite more | höflich | person
rich richer richest | reich | person town
poor poorer poorest | arm ärmer ärmst | person
famous more | berühmt berühmter berühmtest | person reading sight show town song
strong stronger strongest | stark stärker stärkst | person animal hot
nervous more | nervös | person
lazy lazier laziest | faul | person animal
hard-working more | fleißig | person
happy happier happiest | glücklich | person related
sad sadder saddest | traurig | person tale show song
tired more | müde müder müdest | person animal
ill - | krank | person animal
healthy healthier healthiest | gesund gesünder gesündest | meal food person animal
fast faster fastest | schnell | vehicle animal machine
slow slower slowest | langsam | vehicle animal
modern more | modern | building home device furniture town vehicle machine
quiet quieter quietest | ruhig | home room town person way
loud louder loudest | laut lauter lautest | vehicle device person way animal machine
clean cleaner cleanest | sauber sauberer sauberst | room clothing way home cutlery upright vehicle cloth
dirty dirtier dirtiest | schmutzig | room clothing way vehicle pair cutlery upright cloth
broken - | kaputt | vehicle device toy upright opening machine
bright brighter brightest | hell | room home way
dark darker darkest | dunkel dunkler dunkelst | room way nature clothing
warm warmer warmest | warm wärmer wärmst | meal drink room clothing cloth
cold colder coldest | kalt kälter kältest | drink meal room water
hot hotter hottest | heiß heißer heißest | hot warm
fresh fresher freshest | frisch frischer frischest | meal food drink plant baked
sweet sweeter sweetest | süß süßer süßest | fruit baked drink
tasty tastier tastiest | lecker leckerer leckerst | food meal
red - | rot | vehicle clothing fruit plant furniture luggage toy pair cloth
blue - | blau | vehicle clothing furniture luggage toy pair cloth
green - | grün | vehicle clothing furniture luggage fruit toy pair cloth
yellow - | gelb | vehicle clothing furniture plant toy fruit cloth
white - | weiß | animal clothing furniture building plant pair opening cloth wall
black - | schwarz | animal clothing furniture vehicle luggage pair cloth
brown - | braun | animal furniture luggage clothing pair
grey - | grau | animal clothing vehicle furniture cloth building
soft softer softest | weich weicher weichst | cloth seat baked
comfortable more | bequem | seat pair clothing home vehicle
round - | rund | toy furniture upright
open - | offen | opening container
narrow narrower narrowest | eng | way room
wide wider widest | breit breiter breitest | way furniture opening
high higher highest | hoch höher höchst | high
deep deeper deepest | tief | water
thick thicker thickest | dick | reading cloth
thin thinner thinnest | dünn | reading cloth person
elegant more | elegant eleganter elegantest | clothing pair
wonderful more | wunderbar | event trip song show plant picture
strange stranger strangest | seltsam | person idea point picture reading
dangerous more | gefährlich | animal way vehicle nature game
practical more | praktisch | device furniture thing luggage idea clothing
empty - | leer | container room upright
full - | voll | container
correct - | richtig | answer document ticket
wrong - | falsch | answer document ticket public
"""
