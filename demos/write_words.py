"""What the tab "Write" says, in the language of the corpus: English, and Persian for the Shahnameh."""

from __future__ import annotations

from core.text import CORPORA, name_of

METHODS = ("stochastic", "greedy", "top-k", "top-p")
TEMPERATURES = (0.2, 0.5, 1.0, 1.5)
SEED = CORPORA["nietzsche"].prompt
PRESETS = {  # name: (corpus, epoch, seed text, temperature, method, length)
    "Cold: the net quotes itself": ("nietzsche", "60", SEED, 0.2, "stochastic", 400),
    "Hot: new words appear": ("nietzsche", "60", SEED, 1.2, "stochastic", 400),
    "Greedy goes round in a circle": ("nietzsche", "60", SEED, 1.0, "greedy", 600),
    "A scene for Romeo": ("shakespeare", "60", CORPORA["shakespeare"].prompt, 0.7, "stochastic", 600),
    "Verses in Persian": ("shahnameh", "60", CORPORA["shahnameh"].prompt, 0.7, "stochastic", 500),
}

ENGLISH = {
    "prompt": "Seed text",
    "epoch": "Training (epochs of 60)",
    "temperature": "Temperature",
    "method": "Next character",
    "k": "k: the likeliest that stay",
    "share": "p: the mass that stays",
    "length": "Length",
    "seed": "Seed",
    "pace": "Characters a second (0: all speed)",
    "write": "Write",
    "stop": "Stop",
    "again": "Again, new seed",
    "more": "Continue",
    "temperatures": "Four temperatures side by side",
    "epochs": "Three epochs side by side",
    "methods": ["drawn from all", "greedy: the likeliest", "drawn from the top k", "drawn from the top p"],
    # in the figure
    "next": "The next character",
    "at": "Character",
    "before": "the net's own p",
    "after": "after temperature",
    "hint": "Point at a character to see what the net expected there; click a bar to write on with another one.",
    "begin": "Press Write. The bars show what the net expects after the seed text.",
    "reading": "Reading the seed text …",
    "writing": "Writing …",
    "written": "characters",
    "bits": "bits a character",
    "entropy": "entropy, bits",
    "words": "words of the corpus",
    "copied": "longest copied run",
    "unknown": "Not words of the corpus:",
    "quoted": "Copied:",
    "loop": "It goes round in a circle: the last {} characters repeat.",
    "running": "cost (solid) and entropy (dashed) in bits, mean of 40 characters",
    "share_plot": "words of the corpus, by temperature",
    "copy_plot": "longest copied run, by temperature",
    "sweep": "{} texts of {} characters at each temperature; the dot is the text above.",
    "held_out": "On text it never saw this net needs {} bits a character.",
    "whatif": "what if: {}",
    "to": "to",
    "characters": "characters",
    "none": "none",
    "pinned": "held: click the text again to let go",
}
PERSIAN = {
    "prompt": "متن آغازین",
    "epoch": "مرحلهٔ آموزش (از ۶۰ دوره)",
    "temperature": "دما",
    "method": "حرف بعدی",
    "k": "k: محتمل‌ترین‌هایی که می‌مانند",
    "share": "p: سهم احتمالی که می‌ماند",
    "length": "طول",
    "seed": "بذر تصادفی",
    "pace": "حرف در ثانیه (۰: با بیشترین سرعت)",
    "write": "بنویس",
    "stop": "بس است",
    "again": "دوباره با بذر تازه",
    "more": "ادامه بده",
    "temperatures": "چهار دما کنار هم",
    "epochs": "سه دوره کنار هم",
    "methods": ["قرعه از همه", "حریصانه: محتمل‌ترین", "قرعه از k تای نخست", "قرعه از سهم p"],
    "next": "حرف بعدی",
    "at": "حرف",
    "before": "احتمال خود شبکه",
    "after": "پس از دما",
    "hint": "نشانگر را روی هر حرف ببرید تا ببینید شبکه آنجا چه انتظاری داشت؛ با کلیک روی یک میله، متن از همان‌جا با آن حرف نوشته می‌شود.",
    "begin": "«بنویس» را بزنید. میله‌ها نشان می‌دهند شبکه پس از متن آغازین چه انتظاری دارد.",
    "reading": "در حال خواندن متن آغازین …",
    "writing": "در حال نوشتن …",
    "written": "حرف",
    "bits": "بیت برای هر حرف",
    "entropy": "آنتروپی، بیت",
    "words": "واژه‌های شاهنامه",
    "copied": "بلندترین رونوشت",
    "unknown": "واژه‌هایی که در شاهنامه نیستند:",
    "quoted": "رونوشت:",
    "loop": "متن دور خود می‌چرخد: {} حرف پایانی تکرار می‌شود.",
    "running": "هزینه (خط پر) و آنتروپی (خط‌چین) به بیت، میانگین ۴۰ حرف",
    "share_plot": "سهم واژه‌های شاهنامه بر حسب دما",
    "copy_plot": "بلندترین رونوشت بر حسب دما",
    "sweep": "در هر دما {} متن {} حرفی؛ نقطه، متن بالاست.",
    "held_out": "این شبکه برای متنی که ندیده است {} بیت برای هر حرف نیاز دارد.",
    "whatif": "اگر به‌جای آن: {}",
    "to": "تا",
    "characters": "حرف",
    "none": "هیچ",
    "pinned": "ثابت شد: برای رها کردن دوباره روی متن کلیک کنید",
}
PERSIAN_NAMES = {
    "\n": "سطر نو",
    " ": "فاصله",
    "\u064e": "زبر",
    "\u064f": "پیش",
    "\u0650": "زیر",
    "\u0651": "تشدید",
    "\u0652": "سکون",
    "\u0654": "همزهٔ بالا",
}


def words_of(corpus: str) -> dict:
    """The words of a corpus' page."""
    return PERSIAN if CORPORA[corpus].rtl else ENGLISH


def labels_of(corpus: str) -> list[str]:
    """How each character of the vocabulary is written beside its bar: a sign that is seen, and a name where the sign alone says little."""
    signs, labels = {"\n": "↵", " ": "␣"}, []
    for character in CORPORA[corpus].vocabulary:
        if CORPORA[corpus].rtl and character in PERSIAN_NAMES:
            labels.append(f"{signs.get(character, 'ـ' + character)} {PERSIAN_NAMES[character]}")
        elif character in signs:
            labels.append(f"{signs[character]} {name_of(character)}")
        else:
            labels.append(character)
    return labels
