"""A plan of calls and maps is the same after JSON."""

import json
from dataclasses import asdict

from rdpass.core.call_plan import CallPlan, PlannedCall, PlannedMap, plan_of


def test_a_plan_is_what_its_json_says():
    calls = (PlannedCall("f32_stem", 2000, 300, 40), PlannedCall("copy", 0, 8, 0))
    plan = CallPlan(calls, (PlannedMap(64, 128, 0, 1, "map"), PlannedMap(192, 64, 1, 1, "scratch")), 256)
    assert plan_of(json.loads(json.dumps(asdict(plan)))) == plan
