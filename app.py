"""Fool & Forge: a browser lab for lectures on adversarial attacks and generative models.   python app.py [--host --port --share]"""

from __future__ import annotations

import os
import threading

# read when gradio is imported: no telemetry, and no table of statistics remade at every event
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _import_torch() -> None:
    import torch  # noqa: F401

    import core  # noqa: F401


threading.Thread(target=_import_torch, name="import torch", daemon=True).start()  # while gradio is being imported

import argparse  # noqa: E402

import gradio as gr  # noqa: E402

from demos import autoencoders, compute, fgsm, gan, manifold, one_pixel, sessions, smile, ui, write  # noqa: E402

TABS = (fgsm, one_pixel, manifold, autoencoders, gan, smile, write)


def opened(request: gr.Request) -> list:
    """The page's first state: the tab and the controls that the address bar names."""
    names = [t.NAME for t in TABS]
    tab = request.query_params.get("tab")
    tab = tab if tab in names else names[0]
    values = [gr.update(selected=tab)]
    for name, built in BUILT.items():
        values += ui.restore(built.fields, request) if name == tab else [field.default for field in built.fields]
    return values


class Page(gr.Blocks):
    """The page with its queue from the start: a queue asked for later costs a second application, a fifth of a second."""

    def queue(self, *_: object, **__: object) -> gr.Blocks:
        return super().queue(max_size=300, status_update_rate=2, default_concurrency_limit=4)


BUILT: dict[str, ui.Built] = {}

with Page(title="Fool & Forge", delete_cache=(300, 1800)) as demo:
    head = gr.Markdown("# Fool & Forge", elem_classes="ff-head")
    with gr.Tabs() as tabs:
        for module in TABS:
            with gr.Tab(module.TITLE, id=module.NAME) as tab:
                BUILT[module.NAME] = module.build()
            tab.select(None, None, None, js=f"() => FoolForge.open({ui.js(module.NAME)})", api_visibility="private")
    controls = [field.control for built in BUILT.values() for field in built.fields]
    # show_progress_on: else every later event copies all parts of the page at each of its answers, because they stand inside `tabs`
    hidden = {"api_visibility": "private", "queue": False, "show_progress": "hidden", "show_progress_on": head}
    loaded = demo.load(opened, None, [tabs, *controls], **hidden)
    for name, built in BUILT.items():
        built.start(loaded.then)
        ui.remember(name, built.fields, loaded)
    loaded.then(None, None, None, js="() => FoolForge.start()", api_visibility="private")


def prepare(warm: bool) -> None:
    """What the first visitors will need; with `warm`, the answers to what the packaged pictures will be asked, too."""
    for module in TABS:
        if hasattr(module, "prepare"):
            module.prepare()
    if warm:
        fgsm.warm()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fool & Forge, in the browser")
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("GRADIO_SERVER_PORT", "7860")))
    parser.add_argument("--share", action="store_true", help="a public link through gradio's tunnel (needs a network)")
    parser.add_argument(
        "--warm",
        action="store_true",
        default=bool(os.environ.get("FOOL_FORGE_WARM")),
        help="compute what the packaged pictures will be asked in the background, before a class comes (or FOOL_FORGE_WARM=1)",
    )
    options = parser.parse_args()
    compute.start()
    sessions.lighten()
    demo.launch(
        prevent_thread_lock=True,
        server_name=options.host,
        server_port=options.port,
        share=options.share,
        theme=ui.theme(),
        run_history=False,
        ssr_mode=False,
        max_threads=ui.THREADS,
        max_file_size="20mb",
        footer_links=[],
        enable_monitoring=False,
        strict_cors=True,
        **ui.assets(),
    )
    # the page answers already; now what the first visitor will need
    threading.Thread(target=prepare, args=(options.warm,), name="prepare", daemon=True).start()
    demo.block_thread()


if __name__ == "__main__":
    main()
