"""WMT's training and test sets in their own forms, tiny, of sentences that a language detector knows."""

import itertools
import random
from pathlib import Path

from toy import SETTINGS, write_settings
from toy_bitext import write_moses_zip, write_sgm, write_tmx, write_tsv, write_xml

Pairs = list[tuple[str, str]]

PARTS = {  # who, does, what, when: the same in every language
    "en": """The old teacher, My young neighbour, A tired farmer, The new minister, Our best friend
        reads, buys, looks for, describes, paints
        a large house, the green book, an old bridge, the white horse, a small village
        every morning, in the garden, after the meeting, with great pleasure""",
    "de": """Der alte Lehrer, Mein junger Nachbar, Ein müder Bauer, Der neue Minister, Unser bester Freund
        liest, kauft, sucht, beschreibt, malt
        ein großes Haus, das grüne Buch, eine alte Brücke, das weiße Pferd, ein kleines Dorf
        jeden Morgen, in dem Garten, nach der Sitzung, mit großer Freude""",
    "ru": """Старый учитель, Мой молодой сосед, Усталый крестьянин, Новый министр, Наш лучший друг
        читает, покупает, ищет, описывает, рисует
        большой дом, зелёную книгу, старый мост, белую лошадь, маленькую деревню
        каждое утро, в этом саду, после собрания, с большим удовольствием""",
    "es": """El viejo profesor, Mi joven vecino, Un campesino cansado, El nuevo ministro, Nuestro mejor amigo
        lee, compra, busca, describe, pinta
        una casa grande, el libro verde, un puente antiguo, el caballo blanco, un pueblo pequeño
        cada mañana, en el jardín, después de la reunión, con mucho gusto""",
    "fr": """Le vieux professeur, Mon jeune voisin, Un paysan fatigué, Le nouveau ministre, Notre meilleur ami
        lit, achète, cherche, décrit, peint
        une grande maison, le livre vert, un vieux pont, le cheval blanc, un petit village
        chaque matin, dans le jardin, après la réunion, avec grand plaisir""",
}
FRENCH = "Nous avons décidé que les enfants resteraient à la maison pendant toute la semaine."
SHORT = "training: {max_steps: 20, batch_tokens: 300, warmup_steps: 5, validate_every: 10, workers: 0}\n"
WMT_SETTINGS = {
    "subset": "max_rest: 60\n",
    "tokenizers": "vocabulary_size: 400\n",
    "teacher": SETTINGS["teacher"].replace("200", "60"),
    "student": f"model: {{width: 16, feedforward: 32, heads: 2}}\n{SHORT}",
}


def make_pairs(other: str) -> Pairs:
    """Return 500 different sentences with their translations, in one order for every language."""
    parts = [[line.strip().split(", ") for line in PARTS[lang].split("\n")] for lang in ("en", other)]
    both = [[" ".join(words) for words in itertools.product(*lines)] for lines in parts]
    pairs = [(f"{source}.", f"{target}.") for source, target in zip(*both, strict=True)]
    random.Random(3).shuffle(pairs)
    return pairs


def make_dirt(pairs: Pairs) -> Pairs:
    """Return pairs that cleaning drops, each for another reason, the first as it is in ``pairs``, too."""
    source, target = pairs[0]
    return [
        pairs[0],
        (source, " ".join([target] * 60)),  # 300 words
        (source, " ".join([target] * 3)),  # three times as long
        (f"{source} Again.", f"{source} Again."),  # not translated
        (FRENCH, target + " " + target),
        (f"Ã¼ber Ã¤ {source}", target),  # UTF-8 read as Latin-1
    ]


def make_downloads(folder: Path, other: str) -> tuple[Path, dict[str, int]]:
    """Write the corpora of English and another language; return the folder and the pairs of each set."""
    folder.mkdir(parents=True)
    pairs = make_pairs(other)
    train, dev, test, medical, law = (
        pairs[:200],
        pairs[200:220],
        pairs[220:240],
        pairs[240:300],
        pairs[300:360],
    )
    langs = ("en", other)
    write_tsv(folder / "europarl.tsv.gz", [(target, source) for source, target in train[:80]])
    write_tmx(folder / f"rapid2019.{other}-en.tmx.zip", langs, train[80:140] + dev[:3])
    write_moses_zip(folder / "1mcorpus.zip", f"corpus.en_{other}.1m", langs, train[140:] + make_dirt(train))
    write_sgm(folder, "newstest2020", langs, dev)
    write_xml(folder / f"newstest2021.en-{other}.all.xml", langs, test, ("A", "B"))
    write_moses_zip(folder / "emea.zip", f"EMEA.en-{other}", langs, medical)
    write_tsv(folder / "law.tsv.xz", law)
    return folder, {"raw": 80 + 63 + 66, "train": 200, "dev": 20, "test": 20, "medical": 10, "law": 60}


def corpora_yaml(other: str, *, train_set: str = "raw") -> str:
    """Return the list of these corpora, for a recipe's conf/corpora.yaml."""
    archive, medical = f"1mcorpus.zip::corpus.en_{other}.1m", f"emea.zip::EMEA.en-{other}"
    newstest, order = f"newstest2020-en{other}", f"langs: en-{other}"
    return f"""corpora:
  europarl: {{set: {train_set}, files: [europarl.tsv.gz], form: tsv, langs: {other}-en, pairs: [70, 90]}}
  rapid: {{set: {train_set}, files: [rapid2019.{other}-en.tmx.zip], form: tmx, {order}, pairs: [60, 70]}}
  yandex: {{set: {train_set}, files: ["{archive}.en", "{archive}.{other}"], {order}, licence: research only}}
  newstest2020: {{set: dev, files: [{newstest}-src.en.sgm, {newstest}-ref.{other}.sgm], form: sgm, {order}}}
  newstest2021: {{set: test, files: [newstest2021.en-{other}.all.xml], form: xml, {order}, pairs: [20, 20]}}
  emea: {{set: medical, files: ["{medical}.en", "{medical}.{other}"], {order}, choose: 10}}
  law: {{set: law, files: [law.tsv.xz], form: tsv, {order}}}
"""


def write_conf(folder: Path, other: str) -> Path:
    """Write a recipe's settings for them, without the set of talks."""
    lists = corpora_yaml(other)
    if other == "de":
        lists += "  ted: {set: ted, files: [law.tsv.xz], form: tsv, langs: en-de, choose: 5}\n"
    return write_settings(folder, {**WMT_SETTINGS, "corpora": lists})
