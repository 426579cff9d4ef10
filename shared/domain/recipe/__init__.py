"""Recipes: what to ask about which files.

    text of a file ─▶ `load` ─▶ `RecipeBook` ─▶ `choose` ─▶ `apply_metadata` ─▶ `Recipe`
                                                            ─▶ what is `asked` ─▶ `fill` ─▶ `wire.request`

`check` lists the problems of a file, `explain` says why a recipe was chosen for an object.
"""
