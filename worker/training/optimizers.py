"""torch's optimizers without its compiler, which nothing here uses.

torch marks methods of its optimizers as not to be compiled. The first marked method that is called
imports the whole compiler, `torch._dynamo`: 0.8 s of a processor and 75 MB. Here these methods are
taken without their marks.
"""

from inspect import unwrap
from typing import TypeVar, cast

from torch import no_grad, optim

MARKED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")

Kind = TypeVar("Kind", bound=optim.Optimizer)


def _unmarked(kind: type[Kind]) -> type[Kind]:
    """The same optimizer with unmarked methods. As in torch, autograd does not record its steps."""
    methods = {name: unwrap(getattr(kind, name)) for name in MARKED}
    step = no_grad()(unwrap(kind.step))
    return cast(type[Kind], type(kind.__name__, (kind,), methods | {"step": step}))


SGD = _unmarked(optim.SGD)
Adam = _unmarked(optim.Adam)
AdamW = _unmarked(optim.AdamW)
RMSprop = _unmarked(optim.RMSprop)
Adagrad = _unmarked(optim.Adagrad)
