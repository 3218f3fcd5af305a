"""Server-side apply: who owns which field, and what follows from it.

    elements.py    one step of a path: a field, an item by its keys, by its value, by its place
    fieldset.py    sets of fields, as trees
    plan.py        a Schema, compiled to what apply needs of it
    typed.py       the set of an object's fields; what is wrong with an object that is applied
    comparing.py   what changed between two objects
    merging.py     an applied object, merged into the live one
    pruning.py     fields taken out of an object; sets that fit a changed schema
    zero.py        the empty object that a new one is compared with
    entries.py     metadata.managedFields, decoded and encoded
    views.py       a kind in its other versions: a change as those see it who own fields there
    ownership.py   who owns what after a change; conflicts
    reset_fields.py    which fields a request cannot change
    last_applied.py    the annotation of kubectl's client-side apply
    managed.py     the door: `on_update` for every write, `on_apply` for apply patches
    scale.py       the owner of a resource's replicas, as its scale subresource sees it

Follows sigs.k8s.io/structured-merge-diff and k8s.io/apimachinery/pkg/util/managedfields. Everything here is pure.
It parts from these in two things:

- An applied object that does not fit its schema is answered with 400, in the same words: upstream's 500 blames itself.
- A map that loses its last key to an apply goes (or stays empty, if it is applied empty): upstream leaves a null.
"""
