"""Formulas: the documented ones, those that users of the service write, and what is refused with which words."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_emulator import autoscale
from azure_batch_emulator.autoscale import FormulaError

MONDAY = datetime(2026, 3, 2, 13, 30, 15, 250_000, tzinfo=UTC)


class History:
    """Samples every 30 seconds up to now, the last one the newest; what is not given has none."""

    def __init__(self, now: datetime = MONDAY, /, **values: Sequence[float]) -> None:
        self._values = {f"${name}": values for name, values in values.items()}
        self._now = now

    def samples(self, variable: str) -> Sequence[tuple[datetime, float]]:
        values = self._values.get(variable, ())
        return [
            (self._now - timedelta(seconds=30 * age), value)
            for age, value in zip(reversed(range(len(values))), values, strict=True)
        ]


def dedicated(formula: str, now: datetime = MONDAY, **values: Sequence[float]) -> int:
    return autoscale.run(formula, History(now, **values), now).target_dedicated


def value(expression: str, **values: Sequence[float]) -> str:
    """As the results tell it."""
    results = autoscale.run(f"x = {expression}", History(**values), MONDAY).results
    return results.split(";x=")[1]


def refusal(formula: str, **values: Sequence[float]) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        autoscale.run(formula, History(**values), MONDAY)
    return caught.value


PENDING = """
startingNumberOfVMs = 1;
maxNumberofVMs = 25;
pendingTaskSamplePercent = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);
pendingTaskSamples = pendingTaskSamplePercent < 70 ? startingNumberOfVMs
    : avg($PendingTasks.GetSample(180 * TimeInterval_Second));
$TargetDedicatedNodes=min(maxNumberofVMs, pendingTaskSamples);
$NodeDeallocationOption = taskcompletion;
"""


@pytest.mark.parametrize(
    ("samples", "nodes"),
    [
        ([], 1),
        ([90] * 4, 1),  # 4 of 6 samples are 67 %
        ([8] * 5, 8),
        ([0, 0, 0, 6, 6, 6], 3),
        ([400] * 100, 25),
        ([99] * 50 + [0] * 6, 0),  # what is older than 3 minutes counts no more
    ],
)
def test_pending_tasks(samples: list[float], nodes: int) -> None:
    assert dedicated(PENDING, PendingTasks=samples) == nodes


def test_results_are_written_as_by_the_service() -> None:
    """Targets first, then the formula's own variables in alphabetical order."""
    written = autoscale.run(PENDING, History(PendingTasks=[8] * 6), MONDAY).results
    assert written == (
        "$TargetDedicatedNodes=8;$TargetLowPriorityNodes=0;$NodeDeallocationOption=taskcompletion;"
        "maxNumberofVMs=25;pendingTaskSamplePercent=100;pendingTaskSamples=8;startingNumberOfVMs=1"
    )


def test_what_a_formula_leaves_alone_stays() -> None:
    history = History(TargetDedicatedNodes=[4], TargetLowPriorityNodes=[2])
    assert autoscale.run("$TargetDedicatedNodes = 3;", history, MONDAY).results == (
        "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=2;$NodeDeallocationOption=requeue"
    )
    assert autoscale.unchanged(history).results == (
        "$TargetDedicatedNodes=4;$TargetLowPriorityNodes=2;$NodeDeallocationOption=requeue"
    )


WORKDAY = """
$curTime = time();
$workHours = $curTime.hour >= 8 && $curTime.hour < 18;
$isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;
$isWorkingWeekdayHour = $workHours && $isWeekday;
$TargetDedicatedNodes = $isWorkingWeekdayHour ? 20:10;
"""


@pytest.mark.parametrize(
    ("now", "nodes"),
    [
        (MONDAY, 20),
        (MONDAY.replace(hour=7, minute=59), 10),
        (MONDAY.replace(hour=18, minute=0), 10),
        (MONDAY + timedelta(days=4), 20),
        (MONDAY + timedelta(days=5), 10),
        (MONDAY + timedelta(days=6), 10),
    ],
)
def test_working_hours(now: datetime, nodes: int) -> None:
    assert dedicated(WORKDAY, now) == nodes


def test_times_in_results() -> None:
    written = autoscale.run(WORKDAY, History(), MONDAY).results
    assert "$curTime=2026-03-02T13:30:15.250Z;$isWeekday=1;$isWorkingWeekdayHour=1;$workHours=1" in written


def test_accounting_for_parallel_tasks_and_comments() -> None:
    formula = """
    // Determine whether 70 percent of the samples have been recorded in the past 15 minutes
    $samples = $ActiveTasks.GetSamplePercent(TimeInterval_Minute * 15);
    $tasks = $samples < 70 ? max(0,$ActiveTasks.GetSample(1))
        : max( $ActiveTasks.GetSample(1),avg($ActiveTasks.GetSample(TimeInterval_Minute * 15)));
    $cores = $TargetDedicatedNodes * 4;
    $extraVMs = (($tasks - $cores) + 3) / 4; // rounds up, for what is over is cut off
    $TargetDedicatedNodes = max(0,min($TargetDedicatedNodes + $extraVMs,30));
    """
    assert dedicated(formula, ActiveTasks=[9], TargetDedicatedNodes=[1]) == 3
    assert dedicated(formula, ActiveTasks=[], TargetDedicatedNodes=[1]) == 0
    assert dedicated(formula, ActiveTasks=[8] * 60, TargetDedicatedNodes=[0]) == 2


def test_preempted_nodes_are_replaced() -> None:
    formula = """
    maxNumberofVMs = 25;
    $TargetDedicatedNodes = min(maxNumberofVMs, $PreemptedNodeCount.GetSample(180 * TimeInterval_Second));
    $TargetLowPriorityNodes = min(maxNumberofVMs , maxNumberofVMs - $TargetDedicatedNodes);
    """
    found = autoscale.run(formula, History(PreemptedNodeCount=[4, 4, 5]), MONDAY)
    assert (found.target_dedicated, found.target_low_priority) == (4, 21)


def test_a_formula_that_waits_for_samples_since_a_date() -> None:
    """As ga4gh-tes writes it; the date is RFC 1123, and the alias of the target is used."""
    formula = """
    lifespan = time() - time("{created}");
    span = 90 * TimeInterval_Second;
    $TargetDedicated = (lifespan > TimeInterval_Minute * 2 ? min($PendingTasks.GetSample(span, 10)) : 5)
    """
    young = formula.format(created="Mon, 02 Mar 2026 13:29:00 GMT")
    old = formula.format(created="Mon, 02 Mar 2026 13:00:00 GMT")
    assert dedicated(young) == 5
    assert dedicated(old, PendingTasks=[7, 2, 3]) == 2
    assert refusal(old).code == "InsufficientSampleData"


def test_the_full_name_wins_over_its_alias() -> None:
    assert dedicated("$TargetDedicatedNodes = 3; $TargetDedicated = 8") == 3


def test_stop_keeps_what_was_set_before() -> None:
    assert dedicated("$TargetDedicatedNodes = 3; 1 > 0 ? stop() : 0; $TargetDedicatedNodes = 8") == 3


def test_random_numbers_repeat_at_the_same_instant() -> None:
    assert value("rand()") == value("rand()")
    assert 0 <= float(value("rand()")) < 1


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4 / 8", "6.5"),
        ("-(2 - 5) * -1", "-3"),
        ("!0 + !7", "1"),
        ("1 < 2 == 1", "1"),
        ("0 && 1 / 0", "0"),
        ("1 || 1 / 0", "1"),
        ("1 ? 2 : 0 ? 3 : 4", "2"),
        ("vec(1, 2, 3) * 2 + 1", "[3,5,7]"),
        ("vec(1, 2) / vec(4, 8)", "[0.25,0.25]"),
        ('"b" > "a"', "1"),
        ("avg(vec(1, 2, 3), 7)", "3.25"),
        ("len(vec(1, 7), 2, vec())", "3"),
        ("norm(3, 4)", "5"),
        ("std(2, 4, 4, 4, 5, 5, 7, 9)", "2.1380899352994"),
        ("range(3, -1, 7)", "8"),
        ("sum(0.1, 0.2)", "0.3"),
        ("lg(8) + log(1000)", "6"),
        ("lg(vec(8))", "[3]"),
        ("percentile(vec(5, 1, 3, 2, 4), 50)", "3"),
        ("percentile(vec(5, 1, 3, 2, 4), 90)", "5"),
        ("val(vec(7, 8, 9), 1)", "8"),
        ("90 * TimeInterval_Minute - TimeInterval_Hour", "00:30:00"),
        ("-TimeInterval_Day / 16", "-01:30:00"),
        ("TimeInterval_Week + 1500 * TimeInterval_Millisecond", "7.00:00:01.5000000"),
        ('time("2026-03-02T10:00:00Z") + TimeInterval_Hour', "2026-03-02T11:00:00.000Z"),
        ('time("2026-03-02T12:00:00+02:00").hour', "10"),
        ("time().year * 10000 + time().month * 100 + time().day", "20260302"),
        ("time().minute * 100 + time().second", "3015"),
        ("time() - (time() + -2 * TimeInterval_Second)", "00:00:02"),
        ("TimeInterval_Minute * 60 == TimeInterval_Hour", "1"),
    ],
)
def test_operators_and_functions(expression: str, expected: str) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$RunningTasks.GetSample(2)", "[4,5]"),
        ("$RunningTasks.GetSample(99)", "[1,2,3,4,5]"),
        ("$RunningTasks.GetSample(TimeInterval_Minute)", "[4,5]"),
        ("$RunningTasks.GetSample(TimeInterval_Minute * 2, TimeInterval_Minute * 1)", "[2,3]"),
        ("$RunningTasks.GetSample(TimeInterval_Minute * 1, TimeInterval_Minute * 2)", "[2,3]"),
        ("$RunningTasks.GetSample(time() + -60 * TimeInterval_Second, time())", "[4,5]"),
        ("$RunningTasks.GetSample(TimeInterval_Minute * 5, 50)", "[1,2,3,4,5]"),
        ("$RunningTasks.GetSamplePercent(TimeInterval_Minute * 5)", "50"),
        ("$RunningTasks.GetSamplePercent(TimeInterval_Minute * 5, TimeInterval_Minute * 2)", "16.6666666666667"),
        ("$FailedTasks.GetSamplePercent(TimeInterval_Minute * 5)", "0"),
        ("len($FailedTasks.GetSample(1))", "0"),
        ("$RunningTasks.Count()", "5"),
        ("$RunningTasks.GetSamplePeriod()", "00:00:30"),
        ("$RunningTasks.HistoryBeginTime()", "2026-03-02T13:28:15.250Z"),
        ("$CurrentDedicatedNodes * 1.1", "11"),
        ("$CurrentDedicatedNodes.GetSample(1)", "[10]"),
        ("$CurrentLowPriorityNodes + 1", "1"),
    ],
)
def test_samples(expression: str, expected: str) -> None:
    assert value(expression, RunningTasks=[1, 2, 3, 4, 5], CurrentDedicatedNodes=[10]) == expected


def test_too_few_samples_are_told_in_the_services_words() -> None:
    error = refusal(
        "\nsli = TimeInterval_Minute * 5;\nx = avg($RunningTasks.GetSample(sli, 70));", RunningTasks=[1] * 5
    )
    assert error.as_json() == {
        "code": "InsufficientSampleData",
        "message": "Autoscale evaluation failed due to insufficient sample data",
        "values": [
            {
                "name": "Message",
                "value": "Line 3, Col 32: Insufficient data from data set: $RunningTasks wanted 70%, received 50%",
            }
        ],
    }


@pytest.mark.parametrize(
    ("formula", "detail"),
    [
        ("$something_useless", "Line 1, Col 1: Unknown identifier $something_useless"),
        ("x = 1;\ny = ceil(2.5)", "Line 2, Col 5: Unknown function ceil"),
        ("x = max(0, $PendingTasks)", "Line 1, Col 12: $PendingTasks is no number"),
        ("$PendingTasks = 3", "Line 1, Col 1: $PendingTasks cannot be assigned"),
        ("requeue = 3", "requeue cannot be assigned"),
        ("$NodeDeallocationOption = 3", "is one of requeue, terminate, taskcompletion, retaineddata"),
        ("$TargetDedicatedNodes = time()", "takes a double, and not a timestamp"),
        ("$TargetDedicatedNodes = $RunningTasks.GetSample(1)", "takes a double, and not a doubleVec"),
        ("$TargetDedicatedNodes = -1", "must be a number of nodes, and is -1"),
        ("$TargetDedicatedNodes = 1 / 0", "Line 1, Col 27: Division by zero"),
        ("x = 1 + TimeInterval_Hour", "Operator '+' is not defined for double and timeinterval"),
        ("x = 1 + vec(1)", "Operator '+' is not defined for double and doubleVec"),
        ("x = vec(1) < 2", "Operator '<' is not defined for doubleVec and double"),
        ("x = vec(1, 2) + vec(1)", "Operator '+' is not defined for doubleVec and doubleVec"),
        ('x = -"a"', "Operator '-' is not defined for string"),
        ("x = time() ? 1 : 2", "A condition is a double, and not a timestamp"),
        ("x = time().week", "A timestamp has no member week"),
        ('x = time("yesterday")', "neither W3C-DTF nor RFC 1123"),
        ("x = time(3)", "time() takes a string or nothing"),
        ("x = time() + 1e9 * TimeInterval_Year", "out of range"),
        ("x = avg()", "it has no value for an empty vector"),
        ("x = min($FailedTasks.GetSample(TimeInterval_Hour))", "it has no value for an empty vector"),
        ("x = val(vec(1), 1)", "there is no element 1 in a vector of 1"),
        ("x = percentile(vec(1), 101)", "a percentage from 0 to 100"),
        ("x = ln(0)", "above zero"),
        ("x = avg(time())", "avg(timestamp): it takes doubles"),
        ("x = $RunningTasks.GetSample()", "$RunningTasks has no method GetSample for these arguments"),
        ("x = $RunningTasks.GetSamples(1)", "$RunningTasks has no method GetSamples"),
        ("x = time().GetSample(1)", "Only a service-defined metric has methods"),
        ("x = $NoSuchMetric.GetSample(1)", "Only a service-defined metric has methods"),
        ("x = " + "1 + " * 2000 + "1", "An expression is too long"),
    ],
)
def test_what_cannot_be_evaluated(formula: str, detail: str) -> None:
    error = refusal(formula)
    assert error.code == "AutoScalingFormulaEvaluationError"
    assert detail in error.detail


@pytest.mark.parametrize(
    ("formula", "code", "detail"),
    [
        ("", "AutoScalingFormulaSyntaxError", "no statement"),
        ("  // nothing", "AutoScalingFormulaSyntaxError", "no statement"),
        ("x = ", "AutoScalingFormulaSyntaxError", "Line 1, Col 5: Expected a value, not the end of the formula"),
        ("x = 1 y = 2", "AutoScalingFormulaSyntaxError", "Line 1, Col 7: Expected ';', not 'y'"),
        ("x = (1;", "AutoScalingFormulaSyntaxError", "Expected ')', not ';'"),
        ("x = 1 ? 2", "AutoScalingFormulaSyntaxError", "Expected ':'"),
        ("x = [1, 2]", "AutoScalingFormulaSyntaxError", "Line 1, Col 5: Unexpected character '['"),
        ("x = 'a'", "AutoScalingFormulaSyntaxError", 'Unexpected character "\'"'),
        ("if (1) { x = 2 }", "AutoScalingFormulaSyntaxError", "Unexpected character '{'"),
        ("x = time().3", "AutoScalingFormulaSyntaxError", ""),
        ("x = " + "(" * 4000 + "1" + ")" * 4000, "AutoScalingFormulaSyntaxError", "nested too deeply"),
        ("x = 1;" * 101, "AutoScalingFormulaTooLong", "has 101 statements, and 100 are allowed"),
        ("x = 1; //" + "é" * 4100, "AutoScalingFormulaTooLong", "has 8209 bytes, and 8192 are allowed"),
    ],
)
def test_what_cannot_be_read(formula: str, code: str, detail: str) -> None:
    with pytest.raises(FormulaError) as caught:
        autoscale.check(formula)
    assert caught.value.code == code
    assert detail in caught.value.detail


def test_the_limits_themselves_are_allowed() -> None:
    autoscale.check("x = 1;" * 100)
    autoscale.check("x = 1; //" + "e" * (8192 - 9))


NUMBERS = st.integers(0, 99).map(str)
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "<", "<=", "==", "!="]), inner).map(
            lambda parts: "(" + " ".join(parts) + ")"
        )
        | inner.map(lambda text: f"-({text})")
        | st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(" ".join)
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_arithmetic_is_that_of_everybody(expression: str) -> None:
    """Python's precedences are the same for these operators, where comparisons are in brackets."""
    assert float(value(expression)) == pytest.approx(float(eval(expression)), rel=1e-12)
