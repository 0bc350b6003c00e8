"""The look of every page: light and dark by the reader's setting, a phone's width, paper."""

CSS = """
.barwise{--ink:#1f2328;--muted:#6e7781;--page:#fff;--panel:#f6f8fa;--line:#d0d7de;--link:#0059a6;
--blue:#0072b2;--orange:#e69f00;--green:#009e73;--red:#d55e00;--purple:#cc79a7;--sky:#56b4e9;--yellow:#f0e442;
color-scheme:light dark;color:var(--ink);background:var(--page);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
@media screen and (prefers-color-scheme:dark){.barwise{--ink:#e6e8eb;--muted:#9aa4ae;--page:#14171b;--panel:#1d2126;
--line:#363c44;--link:#79b8ff;--blue:#4aa8e0;--orange:#f0b429;--green:#2fc49a;--red:#f0803c;--purple:#dd9bc0;
--sky:#a5d8f5;--yellow:#f5ec7a}}
body.barwise{margin:0}
.barwise *{box-sizing:border-box}
.barwise main{max-width:1120px;margin:0 auto;padding:1.2rem 1.2rem 3rem}
.barwise a{color:var(--link)}
.barwise header p{margin:.2rem 0;color:var(--muted);overflow-wrap:anywhere}
.barwise h1{font-size:clamp(1.45rem,4.2vw,2.2rem);line-height:1.2;margin:.5rem 0 .8rem;font-weight:650;
text-wrap:balance}
.barwise h2{font-size:1.25rem;margin:2.4rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}
.barwise h3{font-size:1rem;margin:0 0 .1rem}
.barwise nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:1rem 0 0;font-size:.92rem}
.barwise .note,.barwise .alert{background:var(--panel);border-left:4px solid var(--blue);padding:.5rem .8rem;
margin:.6rem 0;overflow-wrap:anywhere}
.barwise .alert{border-color:var(--red)}
.barwise .missing{color:var(--muted);font-style:italic;margin:.3rem 0}
.barwise .grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:1.4rem 2rem;
margin-top:1.2rem}
.barwise figure{margin:0;min-width:0}
.barwise .whole{grid-column:1/-1}
.barwise figcaption{color:var(--muted);font-size:.88rem}
.barwise figure svg{display:block;width:100%;height:auto;overflow:visible}
.barwise figure svg *,.barwise>svg *{stroke-linejoin:round;stroke-linecap:butt}
.barwise figure .narrow{display:none}
.barwise .scroll{overflow-x:auto;max-width:100%;background:linear-gradient(90deg,var(--page) 40%,transparent),
linear-gradient(270deg,var(--page) 40%,transparent) 100% 0,linear-gradient(90deg,var(--line),transparent),
linear-gradient(270deg,var(--line),transparent) 100% 0;background-repeat:no-repeat;
background-size:2.4rem 100%,2.4rem 100%,.9rem 100%,.9rem 100%;background-attachment:local,local,scroll,scroll}
.barwise table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5rem 0}
.barwise th,.barwise td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid var(--line);
vertical-align:top;font-weight:400}
.barwise thead th{color:var(--muted);font-size:.88rem;white-space:nowrap}
.barwise td.n,.barwise th.n{text-align:right;white-space:nowrap}
.barwise td.one{white-space:nowrap}
.barwise tr.strong>*{font-weight:650}
.barwise td.why,.barwise td.rule{color:var(--muted);font-size:.88rem}
.barwise table.facts th{color:var(--muted);white-space:nowrap}
.barwise table.facts td{overflow-wrap:anywhere}
.barwise summary{cursor:pointer;font-weight:600;margin:.8rem 0 .2rem}
.barwise .scroll+h3,.barwise details+h3,.barwise details{margin-top:1rem}
.barwise pre{background:var(--panel);padding:.8rem;overflow:auto;max-height:26rem;font-size:.84rem;margin:.5rem 0;
font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.barwise .swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}
@media (max-width:640px){.barwise main{padding:.8rem .8rem 2rem}.barwise figure .full{display:none}
.barwise figure .narrow{display:block}.barwise table.facts th{white-space:normal;min-width:6.5rem}
.barwise td.why{min-width:7rem}.barwise td.rule{white-space:nowrap}
.barwise thead th,.barwise thead th.n{white-space:normal}
.barwise .settings td,.barwise .settings td.n{white-space:normal;overflow-wrap:anywhere}
.barwise .settings td:first-child{min-width:8.5rem}
.barwise td.why{overflow-wrap:anywhere}
.barwise .scroll{font-size:.84rem}.barwise .scroll th,.barwise .scroll td{padding-right:.5rem}
.barwise th,.barwise td{padding-right:.6rem}}
@media print{.barwise nav{display:none}.barwise main{max-width:none;padding:0}.barwise{font-size:10pt}
.barwise figure,.barwise tr{break-inside:avoid}.barwise h2{break-after:avoid}
.barwise .grid{grid-template-columns:1fr 1fr}.barwise figure .full{display:block}.barwise figure .narrow{display:none}
.barwise pre{max-height:none;white-space:pre-wrap;overflow-wrap:anywhere}.barwise a{color:inherit}}
"""
