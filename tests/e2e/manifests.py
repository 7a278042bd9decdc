"""Texts of manifests."""

FUNCTIONS = ["canary", "echo", "exit", "fill", "flood", "grow", "grow_table", "recurse", "sleep", "spin", "unreachable"]


def of_guests(guests, functions=FUNCTIONS, limits=""):
    """One app, `api`, with POST /NAME for each function NAME of the folder `guests`."""
    text = "[app.api]\nport = 1\n"
    for name in functions:
        text += f'[[app.api.route]]\nmethod = "POST"\npath = "/{name}"\nfunction = "{name}"\n'
    for name in functions:
        text += f'[function.{name}]\nmodule = "{guests}/{name}.wasm"\n'
        text += f'[function.{name}.limits]\ncpu = "200ms"\nmemory = "32MiB"\n{limits}'
    return text
