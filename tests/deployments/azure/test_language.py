"""The evaluator of the template language, where the template relies on it."""

from typing import Any

import pytest

from tests.deployments.azure.arm.evaluation import Evaluator
from tests.deployments.azure.arm.resources import GROUP, resource_id, type_of
from tests.deployments.azure.arm.syntax import TemplateError

TEMPLATE: dict[str, Any] = {
    "parameters": {"name": {"type": "string"}, "list": {"type": "array", "defaultValue": ["a", "b"]}},
    "variables": {
        "table": {"x": {"y": "deep"}},
        "copy": [{"name": "numbered", "count": 2, "input": {"n": "[copyIndex('numbered')]"}}],
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[[not meant]", "[[not meant]"),
        ("[parameters('name')]", "etl"),
        ("[format('{0}-{1}-{0}', parameters('name'), 7)]", "etl-7-etl"),
        ("[concat('it''s ', 'here')]", "it's here"),
        ("[concat(parameters('list'), createArray('c'))]", ["a", "b", "c"]),
        ("[variables('table').x.y]", "deep"),
        ("[variables('table')['x'].y]", "deep"),
        ("[variables('numbered')]", [{"n": 0}, {"n": 1}]),
        ("[parameters('list')[copyIndex()]]", "b"),
        ("[if(empty(parameters('list')), variables('not there'), 'taken')]", "taken"),
        ("[not(or(equals(1, 2), empty('')))]", False),
        ("[join(parameters('list'), ' ')]", "a b"),
        ("[toLower(replace('A_B', '_', '-'))]", "a-b"),
        ("[createObject('name', 1)]", {"name": 1}),
        ("[resourceId('Microsoft.A/b/c', 'x', 'y')]", f"{GROUP}/providers/Microsoft.A/b/x/c/y"),
    ],
)
def test_values(text: str, value: object) -> None:
    assert Evaluator(TEMPLATE, {"name": "etl"}).value(text, {"": 1}) == value


@pytest.mark.parametrize(
    "text",
    [
        "[parameters('other')]",
        "[parameters('name']",
        "[parameters(name)]",
        "[variables('table').z]",
        "[parameters('list')[2]]",
        "[format('{1}', 'x')]",
        "[concat('x', parameters('list'))]",
        "[copyIndex('other')]",
        "[resourceId('Microsoft.A/b/c', 'x')]",
        "[unknown()]",
        "[1 + 1]",
        "[concat('a') concat('b')]",
    ],
)
def test_faults(text: str) -> None:
    with pytest.raises(TemplateError):
        Evaluator(TEMPLATE, {"name": "etl"}).value(text)


def test_names_made_of_the_group_are_the_same_every_time_and_fit() -> None:
    texts = [Evaluator(TEMPLATE, {"name": "etl"}).value("[uniqueString(resourceGroup().id)]") for _ in range(2)]

    assert texts[0] == texts[1]
    assert len(texts[0]) == 13
    assert texts[0].isalnum()


def test_types_of_ids() -> None:
    assert type_of(resource_id("Microsoft.A/b/c", "x", "y")) == "Microsoft.A/b/c"
    on_another = resource_id("Microsoft.D/e", "z", scope=resource_id("Microsoft.A/b", "x"))
    assert type_of(on_another) == "Microsoft.D/e"
