"""How Sphinx builds the documentation: `make docs`. Pages are Markdown; what is generated, generators/ says."""

import sys
from importlib import metadata
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "src")]

project = "Steepest"
author = "The Steepest authors"
release = metadata.version("steepest")
extensions = ["myst_parser", "sphinx_copybutton", "generators.mathml", "generators.site"]
html_math_renderer = "mathml"
exclude_patterns = ["generators"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
python_maximum_signature_line_length = 90
toc_object_entries = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "Steepest"
html_static_path = ["static"]
html_css_files = ["steepest.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
