"""What names and the nouns for people tell: titles and their gender, nicknames, given names, case forms.

Word lists for English and Romanian, written by hand, and the two functions that read them: `parse_name`, which takes a
name apart, and `base_forms`, which undoes Romanian case endings. Everything is folded first (`fold`): case, the cedilla
letters and the short vowels of Romanian before 1904 count for nothing in a comparison, and are never rewritten.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from gnomon.story.records import Gender

_FOLD = str.maketrans({"ş": "ș", "ţ": "ț", "ĭ": "i", "ŭ": None, "é": "e", "’": "'", "\u0306": None, "\n": " "})


@lru_cache(maxsize=65536)
def fold(word: str) -> str:
    """The form in which two spellings of one word are equal."""
    return word.casefold().translate(_FOLD)


def slug(name: str) -> str:
    """The id of a name: casefolded, letters and digits kept, everything between them one hyphen."""
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-") or "nameless"


def words_of(text: str) -> frozenset[str]:
    """The words of a list written as one text."""
    return frozenset(text.split())


# Titles, folded and without full stop. The classes tell who cannot be one person: Mrs. and Miss, Lady and Miss.
_TITLE_ROWS: tuple[tuple[Gender, str, str], ...] = (
    ("m", "mr", "mr mister master monsieur m messrs signor señor senor don herr squire"),
    ("m", "sir", "sir lord baron count duke earl viscount marquis marquess prince king emperor sultan tsar czar"),
    ("f", "mrs", "mrs mistress madame madam mme frau signora señora senora dame"),
    ("f", "miss", "miss ms mademoiselle mlle fraulein fräulein signorina señorita senorita"),
    ("f", "lady", "lady duchess countess baroness viscountess marchioness princess queen empress"),
    ("m", "kin", "uncle father brother grandfather grandpa papa friar pope"),
    ("unknown", "kin", "cousin"),
    ("f", "kin", "aunt mother sister grandmother grandma granny mama widow nurse"),
    (
        "unknown",
        "rank",
        "dr doctor prof professor captain capt colonel col major general gen lieutenant lieut corporal sergeant "
        "admiral commodore reverend rev parson bishop archbishop cardinal judge justice inspector constable sheriff "
        "governor senator president chief saint st dean deacon canon commander marshal mayor hon honourable",
    ),
    ("m", "mr", "domnul domnu dl cuconul coconul conu conul jupanul jupânul jupan jupân boierul boieru nenea nea moș"),
    ("m", "mr", "moșul badea bade bădia kir chir logofătul vornicul căpitanul popa părintele banul"),
    ("m", "sir", "vodă regele prințul împăratul beizadea hatmanul"),
    ("f", "mrs", "doamna dna cucoana cocoana coana jupâneasa lelea țața mătușa baba chera"),
    ("f", "miss", "domnișoara dra duduca"),
    ("f", "lady", "regina prințesa domnița împărăteasa"),
    ("unknown", "rank", "d doctorul postelnicul postelnicului postelnic logofătului vornicului hatmanului"),
)
TITLES: dict[str, tuple[Gender, str]] = {
    word: (gender, kind) for gender, kind, row in _TITLE_ROWS for word in row.split()
}
"""Title (folded, no full stop) to its gender and class."""

# A title before one of these forms goes with a given name as readily as with a surname.
GIVEN_TITLES = words_of(
    "sir lady miss master don king queen prince princess uncle aunt brother sister father mother cousin saint st friar "
    "dame emperor empress pope nurse lord cuconul coconul conu conul nenea nea badea bade bădia moș moșul jupanul "
    "jupânul cucoana cocoana coana lelea țața mătușa baba popa părintele vodă kir chir chera duduca domnița mistress"
)
# Titles written without a capital that still belong to the name after them.
LOWER_TITLES = words_of(
    "captain aunt uncle cousin master squire king queen colonel doctor parson domnul domnu dl d doamna dna domnișoara "
    "cuconul coconul conu conul cucoana cocoana coana jupanul jupânul boierul boieru nenea nea badea bade bădia moș "
    "moșul popa părintele logofătul vornicul căpitanul kir chir chera lelea țața mătușa baba banul regele regina "
    "prințul domnița hatmanul duduca"
)
CLASHES = frozenset(
    frozenset(pair) for pair in (("mrs", "miss"), ("miss", "lady"), ("mrs", "lady"), ("sir", "lady"), ("mr", "sir"))
)
"""Two classes of title that one person does not bear in one story (a knighted Mr. is taken for two)."""

PARTICLES = words_of("de von van der den du d la le del della di da bin ibn y mac af")
SUFFIXES = words_of("jr jun junior sr sen senior esq esquire ii iii iv m.d")

_NICKNAMES = """
elizabeth eliza lizzy lizzie liz beth betsy betty bess bessie elsie libby lisbeth
catherine katherine kathryn catharine kate kitty cathy kathy katie katy kit
margaret meg maggie peggy madge marge margery daisy greta
mary molly polly mamie moll may
william will bill billy willie willy
robert bob bobby rob robbie robin
richard dick dickie rick
thomas tom tommy
john jack johnny jock
james jim jimmy jamie jem
joseph joe joey jo
charles charlie charley chuck
edward ned ted teddy eddie neddy
henry harry hal hank
george georgie
samuel sam sammy
benjamin ben benny
nicholas nick nicky
nathaniel nathan nat nate
daniel dan danny
david dave davy
matthew matt
michael mike mick micky
andrew andy
anthony tony
alexander alec alex sandy alick
frederick fred freddy
francis frank
philip phil pip
peter pete
theodore theo
timothy tim
stephen steve
abraham abe
jeremiah jerry
gerald gerry
laurence lawrence laurie larry
augustus gus
sebastian seb
huckleberry huck
oliver noll
ebenezer eben
ichabod ichy
rebecca becky
sarah sally sadie
susan sue susie suky
martha patty
dorothy dolly dora dot
ann anne anna annie nan nancy nanny
helen nell nellie nelly ellen eleanor elinor
charlotte lottie
caroline carrie lina
georgiana georgy
henrietta hetty etta
harriet hattie
emily emmy em
emma emmie
frances fanny fan
florence flo
isabella bella isabel belle
jane jenny janie jennie janet
josephine josie
julia juliet
lydia liddy
louisa lou louie
matilda tilly maud
amelia milly
millicent millie
penelope penny
philippa pippa
priscilla cilla
rosamond rosa rose rosie
theresa tess tessy tessie teresa
victoria vicky
virginia ginny
winifred winnie
arabella bell
barbara babs
beatrice trixie bea
ion ioniță ionică nică ionel
gheorghe gheorghiță ghiță gogu
dimitrie mitică dumitru mitru
constantin costache dinu costică
nicolae nicu niculae nae
vasile vasilică
andronache andronachi
elena ileana lenuța elenca
maria mărioara marița măriuca
"""
NICKNAMES: dict[str, frozenset[str]] = {}
for _row in _NICKNAMES.strip().splitlines():
    _group = words_of(_row)
    for _name in _group:
        NICKNAMES[_name] = NICKNAMES.get(_name, frozenset()) | {_row.split()[0]}

_FEMALE = words_of(
    "abigail ada adela adelaide adele agatha agnes alberta alexandra alice alicia alma amanda amelia amy anastasia "
    "angela angelica anita ann anna annabel anne annette annie antonia antoinette arabella audrey augusta aurora "
    "barbara beatrice becky bella belle bertha bess bessie beth betsy betty beulah blanche bridget brigitta camilla "
    "carmen carol carolina caroline carrie cassandra catharine catherine cecilia celeste celia charity charlotte "
    "chloe christina christine clara clarissa claudia clementina clotilde constance cora cordelia corinna cornelia "
    "cynthia daisy daphne deborah delia delilah diana dinah dolly dolores dora dorothea dorothy edith edna effie "
    "eileen elaine eleanor elena elinor elisabeth eliza elizabeth ella ellen elsie elvira emeline emily emma enid "
    "ernestine estella esther ethel etta eugenia eunice eva evangeline eve evelina eveline fanny faith fidelia flora "
    "florence frances frederica gabrielle genevieve georgiana georgina geraldine gertrude gladys glenda gloria grace "
    "greta gretchen griselda gwendolen hannah harriet hattie hazel helen helena helga henrietta hester hetty hilda "
    "honora hope hortense ida imogen inez irene iris isabel isabella ivy jane janet jean jeanne jemima jenny jessica "
    "jessie jezebel joan joanna josephine joyce judith judy julia juliana juliet justine kate katharina katherine "
    "kathleen katie katrina katy kitty laura lavinia leah leila lena letitia libby lilian lily lina linda lizzie "
    "lizzy lois lola lottie louisa louise lucia lucilla lucille lucinda lucretia lucy lydia mabel madeleine madge "
    "magdalen magdalena maggie marcella margaret margery maria marian marianne marie marietta marilla marion marjorie "
    "martha mary mathilda matilda maud may meg melanie mercy mildred millicent mina minna minnie mimi miranda miriam "
    "molly muriel nan nancy naomi natasha nell nellie nelly nora octavia olga olive olivia ophelia pamela patience "
    "patty pauline pearl peggy penelope phoebe phyllis polly portia priscilla prudence rachel rebecca regina rhoda "
    "rita rosa rosalie rosalind rosamond rose roxana ruth sabina sabrina sadie sally salome sara sarah selina "
    "seraphina sibyl sonia sophia sophie stella susan susanna susannah suzanne sylvia tabitha tess theodora theresa "
    "therese thomasina tilly ursula valentina vera verena veronica victoria viola violet virginia vivian wilhelmina "
    "winifred yvonne zelia zenobia "
    "ana ileana ioana maria mărioara marița elena elenca safta ruxandra smaranda stanca voica ilinca zoe caliopi "
    "domnica catinca anica florica rada vasilica paraschiva sultana profira zamfira despina duduca tina dochia andrada"
)
_MALE = words_of(
    "aaron abel abner abraham absalom adam adolphus adrian alan albert alec alexander alexis alfonso alfred algernon "
    "allan ambrose amos andre andrew andy angus anselm anthony antoine antonio archibald arnold arthur aubrey august "
    "augustine augustus balthazar barnaby bartholomew basil ben benedict benjamin bernard bertram bill billy bob brom "
    "brian bruce cain caleb calvin cecil cedric charles charley charlie chester christian christopher clarence claude "
    "claudius clement clifford clive colin conrad constantine cornelius crispin cuthbert cyril cyrus damian daniel "
    "darius david dennis derek dick dominic donald douglas duncan earl ebenezer edgar edmund edward edwin eliezer "
    "elijah elisha emanuel emil enoch ephraim erasmus eric ernest esau eugene eustace evan ezekiel ezra felix "
    "ferdinand fernando fitzwilliam francis francois frank franklin fred frederick fritz gabriel gareth gaston "
    "geoffrey george gerald gerard gideon gilbert giles godfrey gordon graham gregory griffith guido gus gustav guy "
    "hamlet hannibal hans harold harry harvey hector henri henry herbert hercules herman hezekiah hiram homer horace "
    "horatio howard hubert huck huckleberry hugh hugo humphrey ian ichabod ignatius inigo ira isaac isaiah isidore "
    "israel ivan jabez jack jacob jacques james jasper jean-paul jed jedediah jeff jefferson jeffrey jem jeremiah "
    "jeremy jerome jerry jesse jethro jim jimmy job joe joel johann john johnny jonah jonas jonathan joseph joshua "
    "josiah jude jules julian julius justin karl keith kenneth kit lambert lancelot laurence laurie lawrence lazarus "
    "leo leon leonard leopold levi lewis lionel lorenzo louis lucas lucian lucius luke luther malachi malcolm manuel "
    "marcus mark marlow marmaduke martin matthew maurice max maximilian maxwell michael miles mordecai mortimer moses "
    "nat nathan nathaniel ned nehemiah neil nicholas nick nigel noah noel norman obadiah octavius oliver omar orlando "
    "oscar oswald otto owen patrick paul percival percy perry peter phil philip phineas pierre quentin ralph randolph "
    "raphael raymond reginald reuben rex reynold richard robert robin roderick roger roland romeo ronald rudolf rufus "
    "rupert sam samson samuel saul sebastian septimus seth sherlock sidney sigmund silas silvester simeon simon sinbad "
    "solomon spencer stanley stephen steven stuart sylvester ted tertius thaddeus theobald theodore theophilus thomas "
    "tim timothy titus toby tobias tom tommy tony uriah valentine victor vincent virgil vivaldi walter warren watt "
    "wilfred will william willie winston wolfgang xavier zachariah zachary zebedee zechariah "
    "ion ioan gheorghe dinu dimitrie mitică dumitru constantin costache nicolae nicu vasile andronache mihai mihail "
    "ștefan ștefăniță radu mircea vlad horea horia cloșca crișan decebal traian alexandru grigore matei petru pavel "
    "tudor iancu ioniță neagu stan barbu manole toma luca filip sandu ghiță gheorghiță dorobanț oprea bucur"
)
NAME_GENDER: dict[str, Gender] = {**dict.fromkeys(_MALE, "m"), **dict.fromkeys(_FEMALE, "f")}
for _row in _NICKNAMES.strip().splitlines():
    _known = [NAME_GENDER[_name] for _name in _row.split() if _name in NAME_GENDER]
    for _name in _row.split():
        if _known and _name not in NAME_GENDER:
            NAME_GENDER[_name] = max(set(_known), key=lambda each: (_known.count(each), each))
for _name in ("kit", "alex", "may", "lou", "jo", "em", "vivian", "jean", "august", "hope", "grace", "pip", "zoe"):
    NAME_GENDER.pop(_name, None)

# Nouns for people and for beasts that act, with the gender the language gives them.
PERSON_NOUNS: dict[str, Gender] = {
    **dict.fromkeys(
        words_of(
            "man gentleman boy lad fellow chap father papa dad grandfather brother son uncle nephew husband bridegroom "
            "widower king prince duke lord count baron sir monk friar priest abbot bachelor landlord schoolmaster "
            "butler "
            "footman coachman waiter squire monarch emperor knight wizard sorcerer actor hero host steward headmaster "
            "policeman fisherman huntsman postman clergyman nobleman sportsman workman watchman boatman seaman "
            "salesman "
            "countryman madman horseman swordsman "
            "bărbat bărbatul om omul băiat băiatul flăcău flăcăul tată tatăl frate fratele fiu fiul unchi unchiul moș "
            "bătrân bătrânul rege regele domn domnul domnitor boier boierul ciocoi ciocoiul preot preotul popă "
            "fanariot "
            "călugăr împărat împăratul vătaf vătaful fecior feciorul soț soțul ginere ginerele postelnic "
            "postelnicul"
        ),
        "m",
    ),
    **dict.fromkeys(
        words_of(
            "woman lady girl maid lass mother mamma mama mum grandmother sister daughter aunt niece wife bride "
            "widow queen "
            "princess duchess countess baroness madam nun abbess spinster landlady schoolmistress governess "
            "housekeeper "
            "waitress mistress heroine hostess actress witch empress nurse housemaid maiden damsel dame laundress "
            "sempstress milkmaid housewife "
            "femeie femeia fată fata mamă mama soră sora fiică fiica mătușă mătușa bătrână bătrâna doamnă doamna "
            "regină "
            "regina nevastă nevasta soție soția copilă copila babă baba jupâneasă domnișoară domnișoara cucoană"
        ),
        "f",
    ),
    **dict.fromkeys(
        words_of(
            "person child baby infant friend stranger doctor teacher captain soldier sailor servant master guest "
            "visitor "
            "neighbour neighbor cousin relation parent prisoner officer judge lawyer merchant farmer shepherd hunter "
            "driver traveller traveler passenger writer author poet painter artist musician singer dancer cook "
            "gardener "
            "baker butcher tailor shoemaker blacksmith carpenter clerk student pupil scholar professor physician "
            "surgeon "
            "patient lover rival enemy thief robber murderer villain beggar orphan youth narrator companion "
            "parson vicar "
            "curate bishop minister colonel major general lieutenant sergeant corporal mate harpooneer cabin-boy "
            "steersman "
            "savage cannibal pagan giant dwarf ghost spectre devil angel creature inspector detective constable "
            "sheriff "
            "mayor governor president ambassador messenger innkeeper tradesman pedlar peddler fool wretch rascal rogue "
            "copil copilul prieten prietenul străin străinul slugă sluga stăpân stăpânul vecin oaspete"
        ),
        "unknown",
    ),
}
ANIMAL_NOUNS = words_of(
    "cat dog horse mare pony rabbit hare mouse dormouse rat caterpillar turtle gryphon lory dodo eaglet duck pigeon "
    "bird lizard frog fish whale lion tiger bear wolf fox monkey donkey ass cow bull sheep goat pig lamb kitten puppy "
    "hound hen cock cuckoo owl raven crow snake serpent spider bee crab lobster cal câine lup vulpe urs pisică"
)
GENERIC_NOUNS = words_of(
    "man woman boy girl lady gentleman person fellow child people men women boys girls ladies gentlemen children "
    "fellows chap creature lad maid om omul bărbat bărbatul femeie femeia băiat băiatul fată fata copil copilul youth"
)
"""Nouns that mean another person in every scene."""

PLACE_WORDS = words_of(
    "street road lane square house hall park place castle abbey church bridge river lake sea ocean bay cape island "
    "isle islands mount mountain mountains hill hills valley forest wood woods town city village county "
    "shire court cottage "
    "inn tavern hotel palace tower garden gardens farm manor station harbour harbor port country land coast pond "
    "hollow brook creek falls desert plains school college university strada ulița dealul muntele râul biserica hanul "
    "curtea piața podul satul orașul mănăstirea țara"
)
# Capitalised in the middle of sentences without being anybody's name.
NOT_NAMES = words_of(
    "sept oct nov dec jan feb "
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday christmas easter michaelmas sabbath lent god lord heaven providence hell christ "
    "bible gospel english french german italian spanish latin greek roman dutch american indian christian jew jewish "
    "catholic protestant british european african irish scotch scottish welsh russian chinese turkish o oh ah i mr mrs "
    "chapter book volume letter part preface contents finis end note section act scene nature fate death love time "
    "ianuarie februarie martie aprilie mai iunie iulie septembrie octombrie noiembrie decembrie dumnezeu capitolul "
    "crăciun paști luni marți miercuri joi vineri sâmbătă duminică hey hallo hullo alas yes no well nu da "
    "ba sir madam ma'am "
    "măria hurrah damn bless goodness gracious thank thanks amen"
)

SPEECH_VERBS = words_of(
    "say cry reply answer ask exclaim return continue add observe remark whisper shout call murmur mutter begin "
    "resume repeat inquire enquire demand declare rejoin respond retort suggest interrupt interpose scream yell sigh "
    "groan growl snarl stammer falter gasp sob laugh roar bawl assent agree protest urge pursue proceed persist "
    "conclude announce explain admit confess command order pronounce ejaculate quoth mumble grunt snap squeak pant "
    "venture entreat beg plead insist object think speak tell state comment echo put chuckle hiss bellow drawl "
    "shriek wail volunteer warn promise assure chime burst hint "
    "zice spune răspunde întreba striga adăuga șopti exclama murmura repeta continua începe grăi vorbi relua ruga "
    "porunci ofta replica întrerupe mormăi declara țipa zâmbi urma observa"
)


class NameParts(NamedTuple):
    """A name taken apart; every word folded. `title` is its class; one of `given` and `surname` may be empty.

    `bare` is the one word of a name without a title, of which nobody can say yet whether it is a given name.
    """

    title: str
    gender: Gender
    given: str
    surname: str
    bare: str
    words: tuple[str, ...]  # without title, particles kept
    titles: tuple[str, ...]


def parse_name(text: str) -> NameParts:
    """`Mrs. Elizabeth Bennet` -> title `mrs`, gender `f`, given `elizabeth`, surname `bennet`."""
    words = [fold(word).rstrip(".,") for word in text.split()]
    words = [word[:-2] if word.endswith("'s") else word for word in words]
    titles: list[str] = []
    while words and words[0] in TITLES and (len(words) > 1 or not titles):
        titles.append(words.pop(0))
    while len(words) > 1 and words[-1] in SUFFIXES:
        words.pop()
    if words and words[-1] == "vodă" and len(words) > 1:
        titles.append(words.pop())
    gender: Gender = next((TITLES[each][0] for each in titles if TITLES[each][0] != "unknown"), "unknown")
    # The class of the most telling title: "the Reverend Mr. X" is a Mr., "Miss Captain" does not exist.
    title = next((TITLES[each][1] for each in titles if TITLES[each][1] not in ("rank", "kin")), "")
    title = title or next((TITLES[each][1] for each in titles), "")
    given = surname = bare = ""
    core = [word for word in words if word]
    if len(core) >= 2 and core[0] not in PARTICLES:
        given, surname = core[0], core[-1]
    elif len(core) >= 2:
        surname = core[-1]
    elif core and titles and all(each in GIVEN_TITLES for each in titles):
        bare = core[0]
    elif core and titles:
        surname = core[0]
    elif core:
        bare = core[0]
    known = given or bare
    if gender == "unknown" and known:
        gender = NAME_GENDER.get(known, "unknown")
    return NameParts(title, gender, given, surname, bare, tuple(core), tuple(titles))


def same_given(one: str, other: str) -> bool:
    """Whether two given names can be one: equal, an initial of the other, or a nickname of it."""
    if one == other:
        return True
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    return not NICKNAMES.get(one, frozenset()).isdisjoint(NICKNAMES.get(other, frozenset()))


_RO_ENDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("căi", ("ca",)), ("chii", ("ca", "che")), ("chei", ("ca",)), ("găi", ("ga",)), ("ghii", ("ga", "ghe")),
    ("ghei", ("ga",)), ("iei", ("ia", "ie")), ("eei", ("eea",)), ("ței", ("ta", "ța")), ("ei", ("a", "ea", "e")),
    ("ăi", ("a", "ă")), ("ii", ("ia", "a", "e", "i")), ("ului", ("", "ul", "u")), ("lui", ("", "l")),
    ("ule", ("ul", "u", "")), ("ul", ("", "u")), ("o", ("a",)), ("le", ("l",)),
)  # fmt: skip


def base_forms(word: str) -> list[str]:
    """Words (folded) of which the folded Romanian `word` may be a genitive, dative, vocative or articled form."""
    found = [
        word[: len(word) - len(ending)] + base
        for ending, bases in _RO_ENDINGS
        if word.endswith(ending) and len(word) - len(ending) >= 2
        for base in bases
    ]
    return list(dict.fromkeys(found))
