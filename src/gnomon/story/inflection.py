"""Words in the form that a sentence asks for: English and Romanian verbs, and the forms of Romanian names.

Regular forms follow the spelling rules of the language; what is irregular is listed. A verb may be of several words
(`pick up`): the first one is inflected. Where the form of a Romanian verb has to be guessed, it is the commonest one.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Form = Literal["base", "3sg", "past", "participle", "ing"]
"""English verb forms: *take, takes, took, taken, taking*."""

RomanianForm = Literal["infinitive", "present", "perfect", "imperfect", "pluperfect", "participle", "gerund"]
"""Romanian verb forms, third person where they have one; `perfect` is the simple one (*plecă*)."""


def words_of(text: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(text.split())


_IRREGULAR = """
arise arose arisen; awake awoke awoken; be was been; bear bore borne; beat beat beaten; become became become;
befall befell befallen; begin began begun; behold beheld beheld; bend bent bent; beset beset beset; bet bet bet;
bid bade bidden; bind bound bound; bite bit bitten; bleed bled bled; blow blew blown; break broke broken;
breed bred bred; bring brought brought; broadcast broadcast broadcast; build built built; burst burst burst;
buy bought bought; cast cast cast; catch caught caught; choose chose chosen; cleave clove cloven; cling clung clung;
come came come; cost cost cost; creep crept crept; cut cut cut; deal dealt dealt; dig dug dug; do did done;
draw drew drawn; drink drank drunk; drive drove driven; dwell dwelt dwelt; eat ate eaten; fall fell fallen;
feed fed fed; feel felt felt; fight fought fought; find found found; flee fled fled; fling flung flung;
fly flew flown; forbear forbore forborne; forbid forbade forbidden; forecast forecast forecast;
foresee foresaw foreseen; foretell foretold foretold; forget forgot forgotten; forgive forgave forgiven;
forgo forwent forgone; forsake forsook forsaken;
freeze froze frozen; get got got; give gave given; go went gone; grind ground ground;
grow grew grown; hang hung hung; have had had; hear heard heard; hew hewed hewn; hide hid hidden; hit hit hit;
hold held held; hurt hurt hurt; keep kept kept; kneel knelt knelt; knit knit knit; know knew known; lay laid laid;
lead led led; lean leant leant; leap leapt leapt; leave left left; lend lent lent; let let let; lie lay lain;
light lit lit; lose lost lost; make made made; mean meant meant; meet met met; mislead misled misled;
mistake mistook mistaken; misunderstand misunderstood misunderstood; mow mowed mown; outdo outdid outdone;
outgrow outgrew outgrown; outrun outran outrun; overcome overcame overcome; overdo overdid overdone;
overhear overheard overheard; override overrode overridden; oversee oversaw overseen; oversleep overslept overslept;
overtake overtook overtaken; overthrow overthrew overthrown; partake partook partaken; pay paid paid;
prove proved proven; put put put; quit quit quit; read read read; rebuild rebuilt rebuilt; rend rent rent;
repay repaid repaid; rewrite rewrote rewritten; rid rid rid; ride rode ridden; ring rang rung; rise rose risen;
run ran run; saw sawed sawn; say said said; see saw seen; seek sought sought; sell sold sold; send sent sent;
set set set; sew sewed sewn; shake shook shaken; shear sheared shorn; shed shed shed; shine shone shone;
shoe shod shod; shoot shot shot; show showed shown; shrink shrank shrunk; shut shut shut; sing sang sung;
sink sank sunk; sit sat sat; slay slew slain; sleep slept slept; slide slid slid; sling slung slung; slink slunk slunk;
slit slit slit; smite smote smitten; sow sowed sown; speak spoke spoken; speed sped sped; spend spent spent;
spill spilt spilt; spin spun spun; spit spat spat; split split split; spread spread spread; spring sprang sprung;
stand stood stood; steal stole stolen; stick stuck stuck; sting stung stung; stink stank stunk; strew strewed strewn;
stride strode stridden; strike struck struck; string strung strung; strive strove striven; swear swore sworn;
sweep swept swept; swell swelled swollen; swim swam swum; swing swung swung; take took taken; teach taught taught;
tear tore torn; tell told told; think thought thought; thrive throve thriven; throw threw thrown; thrust thrust thrust;
tread trod trodden; undergo underwent undergone; understand understood understood; undertake undertook undertaken;
undo undid undone; unwind unwound unwound; uphold upheld upheld; upset upset upset; wake woke woken; wear wore worn;
weave wove woven; wed wed wed; weep wept wept; win won won; wind wound wound; withdraw withdrew withdrawn;
withhold withheld withheld; withstand withstood withstood; wring wrung wrung; write wrote written
"""
IRREGULAR: Mapping[str, tuple[str, str]] = {
    base: (past, participle) for base, past, participle in (line.split() for line in _IRREGULAR.split(";"))
}
"""Past and participle of the irregular English verbs."""

_STRESSED_AT_THE_END = words_of("""
abet abhor acquit admit allot annul befit begin commit compel confer control defer deter disbar dispel distil embed
emit enrol equip excel expel extol forget impel incur infer inter instil occur omit outwit patrol permit prefer propel
rebel recur refer regret remit repel submit transfer transmit unpin unwrap upset fulfil
""")
_THIRD_PERSON = {"be": "is", "have": "has", "do": "does", "go": "goes", "undergo": "undergoes", "forgo": "forgoes"}
_VOWELS = "aeiou"


def inflect(verb: str, form: Form) -> str:
    """English `verb` (its base form, of one or more words) in `form`; what stands after the first word stays.

    >>> inflect("pick up", "past"), inflect("lie", "ing"), inflect("beg", "participle")
    ('picked up', 'lying', 'begged')
    """
    first, gap, rest = verb.strip().partition(" ")
    word = first.casefold()
    if form == "base":
        found = word
    elif form == "3sg":
        found = _THIRD_PERSON.get(word) or _third_person(word)
    elif form == "ing":
        found = _progressive(word)
    elif word in IRREGULAR:
        found = IRREGULAR[word][form == "participle"]
    else:
        found = _regular_past(word)
    return (found if first[:1].islower() or not first else found[:1].upper() + found[1:]) + gap + rest


def _third_person(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh|[^aeiou]o)$", word) else "s")


def _doubles(word: str) -> bool:
    """Whether the last consonant is written twice before a vowel: *stop, begin, travel*."""
    if not re.search(r"(?:^|[^aeiou]|qu)[aeiouy][bcdfgklmnprstvz]$", word):
        return False
    syllables = len(re.findall(r"[aeiouy]+", word.replace("qu", "q")))
    return syllables == 1 or word in _STRESSED_AT_THE_END or bool(re.search(r"[^aeiou](el|al)$", word))


def _regular_past(word: str) -> str:
    if word.endswith("e"):
        return word + "d"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ied"
    if re.search(r"[aeiou]c$", word):
        return word + "ked"
    return (word + word[-1] if _doubles(word) else word) + "ed"


def _progressive(word: str) -> str:
    if word in ("be", "dye", "singe", "tinge"):
        return word + "ing"
    if word.endswith("ie"):
        return word[:-2] + "ying"
    if word.endswith("e") and not re.search(r"(ee|oe|ye)$", word):
        return word[:-1] + "ing"
    if re.search(r"[aeiou]c$", word):
        return word + "king"
    return (word + word[-1] if _doubles(word) else word) + "ing"


def form_of(word: str, lemma: str, morph: str = "", *, after_auxiliary: str = "") -> Form:
    """The form in which an English verb stands, by its features where the pack gave them and by its spelling.

    `after_auxiliary` is the lemma of the auxiliary before it, if any: after *have* a verb stands in its participle.
    """
    features = dict(part.split("=", 1) for part in morph.split("|") if "=" in part)
    low = word.casefold()
    base = lemma.casefold()
    past, participle = inflect(base, "past"), inflect(base, "participle")
    if low == inflect(base, "ing") or (low.endswith("ing") and not base.endswith("ing")):
        return "ing"
    if low == base and low not in (past, participle):
        return "base"
    if low == inflect(base, "3sg") and low not in (past, participle):
        return "3sg"
    if past != participle and low in (past, participle):
        return "past" if low == past else "participle"
    if after_auxiliary in ("have", "be", "get"):
        return "participle"
    if after_auxiliary:
        return "base"
    if features.get("VerbForm") == "Part":
        return "ing" if features.get("Tense") == "Pres" else "participle"
    if features.get("VerbForm") == "Ger":
        return "ing"
    if features.get("VerbForm") == "Inf":
        return "base"
    if features.get("Tense") == "Pres":
        return "3sg" if features.get("Person") == "3" and features.get("Number") == "Sing" else "base"
    return "past"


_NO_VOWEL_SOUND = re.compile(r"(?i)(uni(?!n|m)|use|usu|eu|one\b|once|ouija|u[bkt][aeiou])")
_SILENT_H = re.compile(r"(?i)(hour|honest|honou?r|heir)")


def article(word: str) -> str:
    """The English indefinite article before `word`, by spelling: *a* or *an*."""
    if _SILENT_H.match(word):
        return "an"
    return "an" if word[:1].casefold() in _VOWELS and not _NO_VOWEL_SOUND.match(word) else "a"


# -- Romanian verbs ---------------------------------------------------------------------------------------------------

_PARTICIPLES = {
    "ajunge": "ajuns", "alege": "ales", "arde": "ars", "ascunde": "ascuns", "atinge": "atins", "aprinde": "aprins",
    "bate": "bătut", "bea": "băut", "cădea": "căzut", "cere": "cerut", "cerne": "cernut", "coase": "cusut",
    "coace": "copt", "conduce": "condus", "crede": "crezut", "crește": "crescut", "cunoaște": "cunoscut",
    "curge": "curs", "deschide": "deschis", "descoperi": "descoperit", "duce": "dus", "face": "făcut",
    "fi": "fost", "fierbe": "fiert", "frige": "fript", "frânge": "frânt", "împinge": "împins", "închide": "închis",
    "înfige": "înfipt", "înțelege": "înțeles", "învinge": "învins", "linge": "lins", "merge": "mers",
    "minte": "mințit", "mulge": "muls", "naște": "născut", "ninge": "nins", "paște": "păscut", "pierde": "pierdut",
    "plânge": "plâns", "prinde": "prins", "pune": "pus", "rade": "ras", "râde": "râs", "răspunde": "răspuns",
    "recunoaște": "recunoscut", "rămâne": "rămas", "roade": "ros", "rupe": "rupt", "scoate": "scos", "scrie": "scris",
    "smulge": "smuls", "sparge": "spart", "spune": "spus", "stinge": "stins", "strânge": "strâns", "șterge": "șters",
    "șede": "șezut", "ședea": "șezut", "ști": "știut", "sta": "stat", "ține": "ținut", "trage": "tras",
    "trece": "trecut", "trimite": "trimis", "tunde": "tuns", "ucide": "ucis", "umple": "umplut", "unge": "uns",
    "vedea": "văzut", "veni": "venit", "vinde": "vândut", "vrea": "vrut", "zice": "zis", "întoarce": "întors",
    "petrece": "petrecut", "începe": "început", "încape": "încăput", "permite": "permis", "promite": "promis",
    "admite": "admis", "cuprinde": "cuprins", "depinde": "depins", "întinde": "întins", "aduce": "adus",
    "apune": "apus", "lovi": "lovit", "omorî": "omorât",
}  # fmt: skip
_PERFECTS = {
    "fi": "fu", "da": "dădu", "sta": "stătu", "avea": "avu", "lua": "luă", "bea": "bău", "vrea": "vru", "ști": "știu",
    "coace": "coapse", "fierbe": "fierse", "sparge": "sparse", "întoarce": "întoarse", "scoate": "scoase",
}  # fmt: skip
_IMPERFECTS = {
    "fi": "era",
    "face": "făcea",
    "trage": "trăgea",
    "da": "dădea",
    "sta": "stătea",
    "vrea": "voia",
    "lua": "lua",
    "ști": "știa",
    "scrie": "scria",
}
_PRESENTS = {
    "fi": "este", "avea": "are", "da": "dă", "sta": "stă", "lua": "ia", "bea": "bea", "vrea": "vrea", "vedea": "vede",
    "ști": "știe", "veni": "vine", "cădea": "cade", "ședea": "șade", "muri": "moare", "dormi": "doarme", "ieși": "iese",
    "fugi": "fuge", "sări": "sare", "pleca": "pleacă", "întreba": "întreabă", "intra": "intră", "chema": "cheamă",
    "ruga": "roagă", "purta": "poartă", "juca": "joacă", "ajuta": "ajută", "striga": "strigă", "săruta": "sărută",
    "alerga": "aleargă", "tăcea": "tace", "plăcea": "place", "auzi": "aude", "simți": "simte", "apăra": "apără",
}  # fmt: skip


def _participle_ro(verb: str) -> str:
    if verb in _PARTICIPLES:
        return _PARTICIPLES[verb]
    if verb.endswith("ea"):
        return verb[:-2] + "ut"
    if verb.endswith("e"):
        return verb[:-1] + "ut"
    if verb.endswith("î"):
        return verb[:-1] + "ât"
    return verb + "t"


def _perfect_ro(verb: str) -> str:
    if verb in _PERFECTS:
        return _PERFECTS[verb]
    participle = _participle_ro(verb)
    if participle.endswith("at"):
        return participle[:-2] + ("e" if participle.endswith("iat") else "ă")
    if participle.endswith("ât"):
        return participle[:-2] + "î"
    if participle.endswith(("ut", "it")):
        return participle[:-1]
    if participle.endswith("t"):  # rupt, fript: the t falls before -se
        return participle[:-1] + "se"
    return participle + "e"


def inflect_ro(verb: str, form: RomanianForm, *, plural: bool = False) -> str:
    """Romanian `verb` (its infinitive without *a*) in the third person of `form`, or in a form without person.

    >>> inflect_ro("merge", "perfect"), inflect_ro("cânta", "pluperfect", plural=True), inflect_ro("fugi", "imperfect")
    ('merse', 'cântaseră', 'fugea')
    """
    first, gap, rest = verb.strip().partition(" ")
    word = first.casefold()
    return _inflected_ro(word, form, plural) + gap + rest


def _inflected_ro(verb: str, form: RomanianForm, plural: bool) -> str:
    if form == "infinitive":
        return verb
    if form == "participle":
        return _participle_ro(verb)
    if form == "perfect":
        stem = _perfect_ro(verb)
        if not plural:
            return stem
        return (stem[:-1] + "a" if stem.endswith("ă") else stem[:-1] + "â" if stem.endswith("î") else stem) + "ră"
    if form == "pluperfect":
        stem = _perfect_ro(verb)
        stem = stem[:-1] + "a" if stem.endswith("ă") else stem[:-1] + "â" if stem.endswith("î") else stem
        return stem + ("seră" if plural else "se")
    if form == "imperfect":
        if verb in _IMPERFECTS:
            stem = _IMPERFECTS[verb]
        elif verb.endswith(("ea", "a")):
            stem = verb
        elif verb.endswith("î"):
            stem = verb[:-1] + "a"
        else:
            stem = verb[:-1] + ("ia" if verb[-2:-1] in "aăâou" else "ea")
        return stem + ("u" if plural else "")
    if form == "gerund":
        if verb.endswith(("ia", "i", "ie")):
            return re.sub(r"(ia|i|ie)$", "", verb) + "ind"
        return re.sub(r"(ea|a|e|î)$", "", verb) + "ând"
    if plural and verb == "fi":
        return "sunt"
    present = _PRESENTS.get(verb)
    if present is None:
        if verb.endswith("ea"):
            present = verb[:-2] + "e"
        elif verb.endswith("a"):
            present = verb[:-1] + "ă"
        elif verb.endswith("i"):
            present = verb[:-1] + "ește"
        elif verb.endswith("î"):
            present = verb[:-1] + "ăște"
        else:
            present = verb
    return present


def form_of_ro(word: str, morph: str = "", *, after_auxiliary: bool = False) -> RomanianForm:
    """The form in which a Romanian verb stands, by its features where the pack gave them and by its ending."""
    features = dict(part.split("=", 1) for part in morph.split("|") if "=" in part)
    low = word.casefold().rstrip("ĭŭ")
    if after_auxiliary:
        return "infinitive" if re.search(r"(a|ea|e|i|î)$", low) else "participle"
    if re.search(r"[aăâeiîou]se(ră|m|și|răți)?$", low) and features.get("Tense") in (None, "Pqp", "Past"):
        return "pluperfect" if not re.search(r"[^aăâeiîou]se$", low) else "perfect"
    by_tense: dict[str, RomanianForm] = {
        "Past": "perfect", "Imp": "imperfect", "Pqp": "pluperfect", "Pres": "present",
    }  # fmt: skip
    by_shape: dict[str, RomanianForm] = {"Part": "participle", "Ger": "gerund", "Inf": "infinitive"}
    if features.get("VerbForm") in by_shape:
        return by_shape[features["VerbForm"]]
    if features.get("Tense") in by_tense:
        return by_tense[features["Tense"]]
    if re.search(r"[âi]nd$", low):
        return "gerund"
    if re.search(r"(ea|eau|iau|ia)$", low):
        return "imperfect"
    return "perfect"


# -- Romanian names ---------------------------------------------------------------------------------------------------


class NameForm(NamedTuple):
    """One way in which a name stands in a text. `kind`: `plain`, `genitive`, `lui` (before the name), `vocative`."""

    kind: str
    text: str


_MEN_IN_A = words_of("""
horea horia mircea toma luca oprea costea mihnea nicoară zaharia ilia sava manea stanea bucea petrea gavrilă bogza
manta mușa ţugulea țugulea
""")


def takes_genitive_ending(name: str, gender: str) -> bool:
    """Whether a Romanian name has a genitive of its own (*Stancăi*); the others take *lui* before them."""
    low = name.casefold()
    return gender != "m" and low.endswith(("a", "ă")) and not (gender == "unknown" and low in _MEN_IN_A)


def genitive(name: str) -> str:
    """The genitive and dative of a Romanian name that ends in -a or -ă.

    >>> genitive("Stanca"), genitive("Maria"), genitive("Ana"), genitive("Andreea"), genitive("Olga")
    ('Stancăi', 'Mariei', 'Anei', 'Andreei', 'Olgăi')
    """
    if name.isupper() and len(name) > 1:
        return genitive(name[0] + name[1:].lower()).upper()
    low = name.casefold()
    if low.endswith(("ca", "ga")):
        return name[:-1] + "ăi"
    if low.endswith(("ia", "a", "ă")):
        return name[:-1] + "ei" if not low.endswith("ea") else name[:-1] + "i"
    return name


def _old_genitives(name: str) -> list[str]:
    """Other genitives that older texts write: *Stanchii, Stancei*."""
    low = name.casefold()
    if low.endswith(("ca", "ga")):
        return [name[:-1] + "hii", name[:-1] + "ei", name[:-1] + "hei"]
    return [name[:-1] + "ii"] if low.endswith("a") and not low.endswith(("ia", "ea")) else []


def vocative(name: str) -> str:
    """How a Romanian name is called out: *Stanco, Ioane, Radule*; a name that has no such form as it is."""
    low = name.casefold()
    if low.endswith("a") and not low.endswith(("ia", "ea")):
        return name[:-1] + "o"
    if low.endswith("u"):
        return name + "le"
    return name + "e" if re.search(r"[bcdfghjklmnprsștțvz]$", low) else name


def name_forms(name: str) -> list[NameForm]:
    """The forms in which a Romanian `name` (one word) may stand in a text, the plain one first."""
    found = [NameForm("plain", name)]
    if name.casefold().endswith(("a", "ă")):
        found += [NameForm("genitive", each) for each in (genitive(name), *_old_genitives(name)) if each != name]
    called = vocative(name)
    if called != name:
        found.append(NameForm("vocative", called))
    return found
