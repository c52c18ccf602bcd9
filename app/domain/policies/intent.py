"""Whether a prompt reads as a wish for a picture. Pure: weighted signs, added up.

A word such as "create" or "design" says nothing by itself; with the name of a picture behind it it does. Words that
are said of texts too ("draw a conclusion", "render a list in React") weigh against it, and so does a question.
"""

from __future__ import annotations

import re
import unicodedata

#: From this sum on it is a wish for a picture.
ENOUGH = 3.0
#: Characters that are looked at: what is wished for is said first.
READ = 400

_PICTURE = (
    r"(?:picture|image|photo|photograph|drawing|painting|sketch|illustration|logo|portrait|poster|icon|avatar|"
    r"wallpaper|cartoon|comic|sticker|meme|artwork|watercolou?r|art|concept art|pixel art|line art|clip ?art|doodle|"
    r"mural|caricature|banner|tattoo|colou?ring page|cover art|book cover|album cover|t-shirt print|landscape|"
    r"bild|foto|zeichnung|gemälde|porträt|illustrat(?:ie|ion)|dessin|peinture|affiche|imagen|dibujo|retrato|"
    r"cartel|immagine|disegno|ritratto|quadro|imagem|"
    r"desenho|pintura|afbeelding|tekening|schilderij|obraz(?:ek)?|zdjęcie|rysunek|resim)s?"
)
_MAKE = (
    r"(?:create|make|generate|design|produce|give me|show me|get me|do|do me|draw|visuali[sz]e|turn|imagine|"
    r"(?:i|we)(?:'d| would)? (?:want|need|like|love)(?: to see)?|get|have|erstelle?|generiere?|mach(?:e|st)?|crée[rz]?|"
    r"génère[rz]?|fais|crea(?:r|me)?|genera(?:r|me)?|haz(?:me)?|fai|crie|gere|faça|maak|stwórz|wygeneruj|zrób|"
    r"oluştur|yap)"
)
_POLITE = (
    r"(?:(?:please|hey|hi|hello|ok|okay|now|then|and|so|just|quickly|bitte|"
    r"(?:can|could|would|will) (?:you|i)|let'?s|i(?:'d| would)? (?:want|like) (?:you )?to|try to|kannst du(?: mir)?)"
    r"[,!]? )*"
)
_DRAW = (
    r"(?:draw|paint|sketch|doodle|zeichne|male?|skizziere|dessine[rz]?|peins|dibuja(?:me)?|pinta(?:me)?|disegna(?:mi)?|"
    r"dipingi|desenh[ea]|pint[ea]|teken|schilder|narysuj|namaluj|çiz|нарисуй(?:те)?|изобрази)"
)

#: (sign, weight). `\A` is where the wish itself begins, what is said out of politeness left out.
_SIGNS: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(sign), weight)
    for sign, weight in (
        # What is drawn and nothing else.
        (rf"\A{_POLITE}{_DRAW}(?:[- ]moi)?\b", 3.0),
        (rf"\A{_POLITE}(?:illustrate|render|illustriere|illustre|ilustra)\b", 2.0),
        (rf"\A{_POLITE}(?:illustrate|render) an? \w+ \w+", 1.0),
        (rf"\A{_POLITE}(?:illustrate|render) .*\b(?:book|scene|moment|city|room|light|3d|4k|glass|table|house)\b", 1.5),
        (r"\b(?:kannst du|könntest du)\b.*\b(?:zeichnen|malen)\b", 4.0),
        # A picture by its name, and somebody to make it.
        (rf"\A{_POLITE}{_MAKE}\b(?:[ ,:'](?!that\b|which\b|in\b|with\b|for\b)[\w'-]+){{0,5}}?[ ']{_PICTURE}\b", 3.5),
        (rf"\A{_POLITE}(?:turn|imagine|visuali[sz]e)\b.*\b{_PICTURE}\b", 3.5),
        # A picture by its name and what is in it.
        (
            (
                rf"\A(?:an?|the|my|some|ein(?:e|en)?|une?|una|um|uma)? ?(?:[\w-]+ )?{_PICTURE}"
                r"(?: style)? (?:of|for|with|showing|von|für|d[eiu]|del|di|do|da|van)\b"
            ),
            3.5,
        ),
        (rf"\A(?:[\w-]+ ){{0,2}}{_PICTURE}: ", 3.5),
        (r"\A(?:[\w-]+ )?(?:photo|photograph|illustration|sketch|drawing|painting) of\b", 1.0),
        (r"\A(?:photorealistic|photo-realistic|hyperrealistic|isometric|3d render)\b", 3.0),
        # How a picture looks.
        (r"\b(?:watercolou?r|oil painting|pencil|charcoal|ink on paper|acrylic|in oils)\b", 1.5),
        (
            r"\b(?:digital (?:art|painting)|pixel art|line art|vector|isometric|anime|cartoon|cyberpunk|steampunk)\b",
            1.5,
        ),
        (
            (
                r"\b(?:4k|8k|ultra detailed|highly detailed|cinematic|35mm|(?:wide|aerial|close-up) shot|"
                r"golden hour|bokeh|85mm|"
                r"photorealistic|3d render)\b"
            ),
            1.5,
        ),
        (r"\bin the style of\b|\b(?:art|anime|watercolou?r|retro|cartoon|comic) style\b|\bstyle illustration\b", 1.5),
        (r"[,-] (?:[\w ]+ )?(?:digital art|digital painting|watercolou?r style|oil painting|line art|4k photo)", 2.0),
        (r"\b(?:wearing|riding|standing|dancing|flying)\b", 0.5),
        # Tongues whose words do not stand apart.
        (r"(?:画|绘|畫)(?:一|个|张|幅|只|出)|(?:生成|创建|制作|做|来).{0,12}(?:图片|图像|照片|插画|海报|图)", 4.0),
        (r"(?:描いて|画像を(?:生成|作)|イラスト(?:を|に))|그려|이미지(?:를)? ?(?:생성|만들)|그림(?:을)? ?그", 4.0),
        (r"(?:создай|сгенерируй|сделай)(?:те)? .*(?:изображени|картинк|рисун|фото)|ارسم|चित्र बना", 4.0),
        # Said of texts too.
        (
            (
                r"\bdr[ae]w(?:n|s)? (?:\w+ )?(?:conclusions?|comparisons?|distinctions?|parallels?|inferences?|"
                r"lessons?|"
                r"attention|inspiration|analog(?:y|ies)|lots|breath|blood|on|upon|from|up|near|back|cards?|the line|"
                r"a line between|a card)\b"
            ),
            -4.0,
        ),
        (r"\bpaint (?:a )?(?:[\w ]+ )?picture (?:with words|of (?:life|the economy|the situation))|with words\b", -5.0),
        (r"\b(?:paragraphs?|sentences|essay|poem|bullet points|in words)\b", -3.0),
        (r"\billustrate (?:\w+ )?(?:concept|idea|answer|point|how|why|when|what|difference|theory|principle)\b", -4.0),
        (r"\bsketch (?:out|an? (?:proof|outline|plan|argument))\b", -4.0),
        (r"\brender(?:s|ed)? (?:judge?ment|a verdict|its|aid|assistance|slowly)\b", -4.0),
        (r"\b(?:picture this|big picture|self[- ]image|public image|mirror image|first impression|disk image)\b", -5.0),
        (
            (
                r"\b(?:captions?|alt[- ]text|slogan|prompt for|description of|ideas for|tips|tutorial|"
                r"names? for|gallery|"
                r"review|story|history of|summar\w+|meaning|plan|list of)\b"
            ),
            -3.0,
        ),
        (
            (
                rf"\b{_PICTURE} (?:app|album|upload|form|editor|usage|guidelines?|presentation|outline|tag|"
                rf"library|format|"
                r"compression|processing|files?|folder|size|url|classifier|dataset|description|book report)\b"
            ),
            -4.0,
        ),
        (r"\btable (?:comparing|of|showing|listing)\b", -4.0),
        # Code and what belongs to it.
        (
            (
                r"\b(?:code|python|javascript|typescript|java|html|css|svg|sql|react|vue|flask|django|docker|"
                r"latex|tikz|"
                r"matplotlib|plotly|pygame|p5|opengl|canvas|component|script|program|algorithm|api|database|"
                r"schema|template|"
                r"mermaid|plantuml|uml|ascii|regex|json|yaml|class diagram|flow ?chart)\b"
            ),
            -5.0,
        ),
        (r"\bfunction\b(?! of dreams)|\bfunktion\b|\bfunción\b|\bfonction\b|函数|関数|함수", -4.0),
        (r"\b(?:draw\w*|zeichne|画).{0,20}\b(?:chart|histogram|graph|plot|sine wave|diagram)\b|流程图|表格", -4.0),
        # What asks, tells or works on words.
        (
            (
                r"\A(?:how|what|why|when|who|whom|whose|which|where|is|are|am|does|do (?:i|you|we|they)|did|"
                r"should|shall|"
                r"has|have|was|were|explain|describe|tell|translate|summari[sz]e|write|list|compare|recommend|"
                r"classify|train|"
                r"fix|debug|find|improve|review|read|edit|add|put|build|convert|count|calculate|hello|hi|"
                r"are you able|¿|"
                r"was ist|warum|wie|erkläre|schreibe?|escribe|écris|напиши|写)\b"
            ),
            -4.0,
        ),
        (r"\Acan you (?:draw|see|paint|generate images|make pictures)\w*(?: pictures| images)?\?\Z", -5.0),
        (r"\b(?:was ist|que es|qu'est-ce)\b|\A[¿写]", -4.0),
    )
)


def wants_picture(prompt: str) -> bool:
    """Whether the prompt asks for a picture to be made."""
    text = " ".join(unicodedata.normalize("NFKC", prompt[: 4 * READ]).casefold().split())[:READ]
    return sum(weight for sign, weight in _SIGNS if sign.search(text)) >= ENOUGH
