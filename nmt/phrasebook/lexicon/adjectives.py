# ruff: noqa: E501
"""Adjectives: English [comparative superlative] | German [comparative superlative] | noun classes.

Without an entry, comparatives are regular (English: -er, or "more" if the second field is ``more``;
German: -er). ``-`` means no comparison.
"""

ADJECTIVES = """
old older oldest | alt älter ältest | person animal vehicle print picture device furniture building home town opening tree clothing song show thing document
young younger youngest | jung jünger jüngst | person animal
new newer newest | neu neuer neuest | vehicle print device furniture building home clothing pair show song luggage idea thing document
big bigger biggest | groß größer größt | animal vehicle furniture building home room town tree luggage container toy ground opening fruit nature mistake
small smaller smallest | klein kleiner kleinst | animal vehicle furniture building home room town tree luggage container toy ground opening young nature mistake
tall taller tallest | groß größer größt | person
good better best | gut besser best | worker print tale food meal drink show idea event device game song
bad worse worst | schlecht schlechter schlechtest | print tale meal dish drink show idea device game way
beautiful more | schön schöner schönst | plant town building home nature picture song trip show clothing thing ground
expensive more | teuer teurer teuerst | vehicle device clothing furniture pair dish home trip luggage print brew thing
cheap cheaper cheapest | billig | vehicle device clothing furniture pair dish luggage print ticket thing
long longer longest | lang länger längst | long trip show menu length blank
short shorter shortest | kurz kürzer kürzest | long trip show length blank
heavy heavier heaviest | schwer | heavy furniture
difficult - | schwierig | task test answerable learnable
easy easier easiest | einfach | task test answerable learnable
important more | wichtig | post document work test answerable learnable task
interesting more | interessant | print tale idea trip answerable point picture work writing
boring more | langweilig | print tale show game work writing festive
funny funnier funniest | lustig | tale show song person related
friendly friendlier friendliest | freundlich | person related
rich richer richest | reich | person
poor - | arm | person
nervous more | nervös | person related
happy happier happiest | glücklich | person related
sad sadder saddest | traurig | person tale song
tired more | müde müder müdest | person animal related
ill - | krank | person animal related
healthy healthier healthiest | gesund gesünder gesündest | meal food person animal
fast faster fastest | schnell | quick
slow slower slowest | langsam | quick public
modern more | modern | building home device furniture town
clean cleaner cleanest | sauber sauberer sauberst | room clothing dishes cutlery cloth pair
dirty dirtier dirtiest | schmutzig | room clothing dishes cutlery cloth pair vehicle
broken - | kaputt | vehicle device toy opening upright
dark darker darkest | dunkel dunkler dunkelst | room way wild
warm warmer warmest | warm wärmer wärmst | warm cosy room
cold colder coldest | kalt kälter kältest | cold room water
hot hotter hottest | heiß heißer heißest | hot
fresh fresher freshest | frisch frischer frischest | fresh baked
sweet sweeter sweetest | süß süßer süßest | sweet
tasty - | lecker | food meal
red - | rot | colour colour3 cloth
blue - | blau | colour cloth
green - | grün | colour cloth colour4
yellow - | gelb | colour colour3 cloth
white - | weiß | colour cloth colour4 plant
black - | schwarz | colour animal
brown - | braun | colour furniture
high higher highest | hoch höher höchst | high
thick thicker thickest | dick | print thick cloth clothing
empty - | leer | container room dishes
"""
