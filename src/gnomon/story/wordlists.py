"""Lemmas by which kinds of events, places and moods are told apart, by language.

Romanian words are looked up after `fold`, which brings cedillas and the old spelling of î to one form.
"""

from gnomon.story.records import EventKind


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def fold(word: str, language: str) -> str:
    """`word` as it stands in these lists."""
    word = word.casefold()
    if language != "ro":
        return word
    return word.translate(_ROMANIAN)


_ROMANIAN = str.maketrans({"ş": "s", "ţ": "t", "ș": "s", "ț": "t", "ă": "a", "â": "i", "î": "i", "ĭ": "i", "ŭ": "u"})

_MOVEMENT = {
    "en": """
        advance amble approach arrive ascend bolt bring carry climb come conduct convey crawl creep cross dart dash
        depart descend disembark drag drift drive embark emerge enter escape escort exit flee flight fly follow
        gallop glide go hasten haul head hike hop hurry jog journey jump land lead leap leave limp lurch march
        migrate mount move parade paddle pass plod plunge prance proceed prowl race ramble reach retire retreat
        retrace return ride roam row run rush sail saunter scamper scramble scurry shuffle skip slink slip sneak
        sprint stagger steal steer step stride stroll stumble swim swing tiptoe tour tramp travel traverse tread
        trek troop trot trudge usher visit voyage wade walk wander withdraw arrival departure entrance entry
        excursion expedition exodus pilgrimage
    """,
    "ro": """
        ajunge alerga aluneca apropia avinta calari calatori cobori conduce cutreiera departa duce evada fugi goni
        grabi indeparta indrepta inainta inota intoarce intra iesi merge muta navali napusti parasi pasi patrunde
        pleca plimba pogori porni precipita purcede rataci reintoarce repezi retrage reveni sari sosi strabate
        strecura sui tiri traversa trece umbla urca veni zbura fuga plecare sosire intoarcere drum calatorie
        plimbare
    """,
}
_SPEECH = {
    "en": """
        accuse acknowledge add address admit advise affirm agree announce answer apologise apologize argue ask
        assent assert assure bawl beg bellow beseech bid blurt boast call caution chant chat chatter chide comment
        complain confess confide congratulate converse cry curse declaim declare demand deny dictate discuss drawl
        ejaculate enquire entreat exclaim explain expostulate gasp gossip greet growl grumble hail hint hiss implore
        inform inquire insist interject interpose interrupt invite jest joke lament lecture lie mention moan mumble
        murmur mutter narrate object observe persuade plead pray preach proclaim promise pronounce propose protest
        quarrel question quote read recite recount rejoin relate remark remind remonstrate repeat reply report
        reproach request resume respond retort roar say scold scream shout shriek sigh snap snarl sob speak stammer
        state stutter suggest summon swear talk tease tell thank threaten thunder urge utter vow wail warn whine
        whisper yell conversation dialogue speech
    """,
    "ro": """
        adauga afirma anunta asigura bolborosi bombani certa chema chestiona conversa cuvinta declara destainui
        discuta exclama explica fagadui grai indemna ingina injura insinua intreba intrerupe invita invoca jura
        lauda mirii marturisi mentiona minti multumi murmura ocari ordona porunci povatui povesti predica promite
        pronunta protesta raporta raspunde relua repeta replica rosti ruga saluta sopti spune starui striga suspina
        sfatui tipa vesti vorbi zice vorba cuvint raspuns intrebare strigat soapta
    """,
}
_PERCEPTION = {
    "en": """
        behold discern discover distinguish espy examine eye feel gape gaze glance glare glimpse hear inspect listen
        look notice overhear peep peer perceive recognise recognize regard scan scent scrutinise scrutinize see
        sense sight smell sniff spot spy squint stare survey taste view watch witness
    """,
    "ro": """
        admira asculta atinti auzi baga cata cauta cerceta contempla descoperi distinge examina gusta inspecta
        mirosi observa pindi privi recunoaste simti spiona uita urmari vedea zari privire ochire
    """,
}
KINDS: dict[str, dict[str, EventKind]] = {
    language: {
        **dict.fromkeys(_words(_PERCEPTION[language]), "perception"),
        **dict.fromkeys(_words(_SPEECH[language]), "speech"),
        **dict.fromkeys(_words(_MOVEMENT[language]), "movement"),
    }
    for language in ("en", "ro")
}
"""Lemma -> kind of the event; what is not here is an `action`."""

PARTICLE_MOVEMENT = {
    "get": _words("away back down in off on out over up"),
    "make": _words("off"),
    "set": _words("forth off out"),
    "start": _words("off out"),
    "take": _words("off"),
    "turn": _words("back"),
    "break": _words("away in out"),
    "draw": _words("near"),
    "push": _words("on"),
}
"""Verbs that tell of movement only with one of these particles."""

TRANSPORT = _words(
    "bring carry conduct convey drag drive escort fetch haul lead march send ship summon take transport usher "
    "aduce duce tiri conduce trimite purta cara"
)
"""Verbs whose object is moved."""

CARRIED = _words("get make set start take turn find work force push drive betake lua")
"""Verbs that tell of a movement of their subject where a phrase says whither ("got to the mill")."""

PUT = _words("put send throw pull push place lay call summon dismiss trimite pune arunca chema")
"""Verbs whose object is moved while the subject stays."""

DEPARTURES = _words("leave depart flee withdraw retire escape vanish disappear pleca iesi fugi disparea")
"""Verbs after which nobody knows where their subject is, if nothing is said."""

FOLLOW = _words("follow accompany join urma insoti")
"""Verbs that take the subject where the object is."""

TRANSITIVE_ARRIVAL = _words(
    "enter reach approach visit mount board invade regain ascend climb traverse cross strabate traversa cutreiera"
)
TRANSITIVE_DEPARTURE = _words("leave quit flee escape desert abandon exit vacate parasi")
"""Verbs whose object is where one comes to, or where one goes from."""

STATE = {
    "en": _words(
        "be belong concern consist contain depend deserve exist have lack like matter mean need own possess resemble "
        "seem suit want wish"
    ),
    "ro": _words("apartine avea exista fi insemna merita parea putea trebui vrea voi"),
}
"""Verbs that tell how things are, never what happens."""

ARRIVE = _words(
    "aboard at in inside into on onto to upon within la in intr- pina prin pe through across along around over"
)
DEPART = _words("from out off din dintr- de")
STATIC = _words(
    "aboard across along amid among amidst around at below beneath beside behind by down in inside near on "
    "over past round through throughout under up upon within linga in intr- la pe prin printr- sub peste"
)
"""Prepositions that say where one comes to by a movement, where one goes from, and where one is."""

PLACE_PREPOSITIONS = ARRIVE | DEPART | STATIC | _words("toward towards for until till spre catre")

PLACE_NOUNS = {
    "en": _words(
        """
        abbey alcove alley alleyway altar apartment attic avenue bakery balcony bank bar barn barracks basement
        bathroom bay beach bedchamber bedroom boat bookshop bridge building bungalow cabin café cafe camp canal
        castle cathedral cave cavern cell cellar cemetery chamber chapel church churchyard city classroom clearing
        cliff cloister club coach coast college convent corridor cottage court courthouse courtyard cove crypt deck
        den desert dining-room dock drawing-room dungeon estate factory farm farmhouse ferry field forest forge fort
        fortress foyer gallery gaol garage garden garret glade graveyard grove gym hall hallway hamlet harbor
        harbour hill hillside home hospital hotel house hut inn island jail kitchen laboratory lake lane laundry
        library lighthouse lobby lodge lodging loft mansion manor market market-place marketplace marsh meadow mill
        monastery moor mosque mountain museum nursery office orchard palace pantry parish park parlor parlour
        parsonage pasture path pavilion pier plain planet plantation playground pond pool porch port prairie prison
        pub quarry quay ranch restaurant river road roof room ruin saloon school schoolhouse schoolroom sea shed
        ship shore shop sitting-room spaceship square stable stair staircase station store street studio study
        suburb swamp synagogue tavern temple tent terrace theater theatre tower town train tunnel university valley
        vault verandah veranda vicarage village vineyard warehouse well wharf wood woods workshop yard zoo
    """
    ),
    "ro": _words(
        """
        adapost apartament atelier aula balcon bar barca baie beci birou biserica biblioteca bordei bucatarie cabana
        cabinet camera camp cafenea camin castel catedrala casa casuta cerdac cetate cimitir cimp cimpie circiuma
        circiumioara crisma cladire coasta coliba codru colina conac coridor corabie cort curte deal debarcader
        depozit dormitor drum fabrica ferma foisor gara garaj gradina grajd han hambar hotel iatac iaz imas insula
        inchisoare lac lan livada luminis lunca magazin mahala manastire moara mosie munte muzeu oras ospatarie
        padure palat parc pestera piata pivnita plaja pod poiana port prag prispa pravalie primarie provincie
        podgorie riu restaurant sala salon sat scoala sera spital stana stina strada sopron tabara tara taverna targ
        tirg teatru temnita tinda tren turn tarm ulita universitate vale vapor vie vila
    """
    ),
}
"""Common nouns that name a place where one can be."""

NO_PLACES = _words(
    "bottom centre company crowd direction distance earth end family ground half heaven middle other others part party "
    "people place quarter rest side society spot spring summer autumn winter top universe way world "
    "capat fund loc lume margine mijloc parte societate virf"
)
"""Nouns that name no place of a story, though they stand in phrases of place."""

VAGUE_PLACES = _words(
    "other another next every each any no same second third which what alt alta celalalt fiecare orice urmator"
)
"""Determiners and adjectives with which a noun names another place than its fellows do."""

NEGATIONS = _words(
    "not n't never no nor neither without nobody nothing nowhere none nu n- nici niciodata fara nimeni nimic"
)
MODALS = {
    "en": _words("can could may might must shall should will would ought need dare 'll 'd wo ca sha"),
    "ro": _words("as ar oi om or voi vei va vom veti vor vrea"),
}
CONDITIONS = _words("if unless whether lest provided supposing daca de parca")
TIMES = _words(
    "time day morning afternoon evening night week month year spring summer autumn winter hour sunday monday tuesday "
    "wednesday thursday friday saturday zi dimineata seara noapte saptamina luna an vara iarna ceas ora data"
)
"""With "every" before it: a habit."""

HABITS = {
    "en": _words("always usually often generally habitually frequently whenever daily seldom rarely"),
    "ro": _words("totdeauna intotdeauna mereu adesea deseori obicei"),
}
REALISED = {
    "en": _words(
        "begin cause cease chance come commence compel continue dare feel finish force go happen hasten hear "
        "help keep let make manage notice oblige observe proceed recommence remember resume see set sit stand "
        "start stop succeed watch force condescend venture contrive end find leave turn stay prepare rise run "
        "get have"
    ),
    "ro": _words(
        "apuca auzi continua face incepe izbuti lasa opri porni pune reusi sfirsi vedea simti termina ispravi"
    ),
}
"""Verbs whose verbal complement happens when they do."""

NOT_WITH_INFINITIVE = _words("have get go remember leave find stay")
"""Of these, the ones for which that holds of an -ing form or a bare verb only ("had to go" may fail)."""

NOT_WITH_PARTICIPLE = _words(
    "avoid consider contemplate deny discuss dread fear forbid imagine mind oppose propose suggest"
)
"""Verbs whose -ing form did not happen with them."""

BELIEVED = {
    "en": _words(
        "allege argue assert assume assure believe claim conceive conclude conjecture declare deny desire doubt "
        "dream expect fancy fear guess hint hope imagine inform insist maintain predict prefer pretend promise propose "
        "say suggest suppose suspect swear tell think trust vow wish"
    ),
    "ro": _words("banui crede dori inchipui pretinde presupune promite socoti spera spune teme visa zice"),
}
"""Verbs whose clause is what somebody says or believes, not what the narration tells."""

LIGHT = _words(
    "give make take have utter pay draw heave let raise fetch do set cast throw direct da face lua scoate arunca"
)
"""Verbs that lend their subject to a noun that tells the event ("gave a cry")."""

SUBJECT_CONTROL = _words("promise threaten promite fagadui")
"""Verbs whose infinitive is what their subject does, even where they have an object."""

ADDRESS = _words("to at with upon on against for after over la cu pe asupra impotriva spre catre")
"""Prepositions that make a person the patient of an event ("looked at him", "spoke to her")."""

PERFECT_IN_SE = _words(
    "zise prezise interzise trimise promise permise admise omise comise transmise remise deschise inchise"
    " scrise descrise inscrise prescrise ucise decise rise surise trase atrase extrase retrase ramase rase"
    " scoase roase duse aduse readuse conduse produse reduse traduse introduse seduse deduse induse puse spuse"
    " supuse propuse compuse expuse opuse dispuse impuse depuse presupuse excluse incluse"
)
"""Romanian forms that end as a pluperfect does and are the simple perfect ("he said", not "he had said")."""
