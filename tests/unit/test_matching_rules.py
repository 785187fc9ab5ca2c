"""The matching rules as tables: what stands on the book, what comes in, what happens, what stands there then."""

import pytest

from tests.unit.book_play import Play

ASKS = ["s1 a sell 5@101", "s2 b sell 5@100", "s3 c sell 5@101"]  # 100: s2; 101: s1, s3

PRICE_TIME = {
    "the best price first, then who came first": (
        ASKS, "t z buy 12@101",
        ["t x s2 5@100", "s2 FILLED", "t x s1 5@101", "s1 FILLED", "t x s3 2@101", "t FILLED"],
        "| 101: s3 3",
    ),
    "a trade is at the resting order's price": (ASKS, "t z buy 2@150", ["t x s2 2@100", "t FILLED"],
        "| 100: s2 3; 101: s1 5, s3 5"),
    "a limit stops at its price, and the rest rests": (ASKS, "t z buy 7@100",
        ["t x s2 5@100", "s2 FILLED", "t rests 2"],
        "100: t 2 | 101: s1 5, s3 5"),
    "a price that doesn't cross rests": (ASKS, "t z buy 7@99", ["t rests 7"], "99: t 7 | 100: s2 5; 101: s1 5, s3 5"),
    "bids are met from the highest": (
        ["b1 a buy 5@98", "b2 b buy 5@99"], "t z sell 6@98", ["t x b2 5@99", "b2 FILLED", "t x b1 1@98", "t FILLED"],
        "98: b1 4 |",
    ),
    "a partly filled order keeps its place": (
        [*ASKS, "p z buy 2@100", "s4 d sell 9@100"], "t y buy 4@100",
        ["t x s2 3@100", "s2 FILLED", "t x s4 1@100", "t FILLED"], "| 100: s4 8; 101: s1 5, s3 5",
    ),
    "an order on an empty book rests": ([], "t z sell 1@7", ["t rests 1"], "| 7: t 1"),
    "whoever cancels leaves the queue": ([*ASKS, "cancel s1"], "t z buy 6@101",
        ["t x s2 5@100", "s2 FILLED", "t x s3 1@101", "t FILLED"], "| 101: s3 4"),
}  # fmt: skip

TIME_IN_FORCE = {
    "IOC takes what it can, and its rest expires": (ASKS, "t z buy 7@100 ioc",
        ["t x s2 5@100", "s2 FILLED", "t EXPIRED TIME_IN_FORCE"], "| 101: s1 5, s3 5"),
    "IOC that meets nothing expires": (ASKS, "t z buy 7@99 ioc", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: s2 5; 101: s1 5, s3 5"),
    "IOC that fills is filled": (ASKS, "t z buy 5@100 ioc", ["t x s2 5@100", "s2 FILLED", "t FILLED"],
        "| 101: s1 5, s3 5"),
    "FOK fills whole": (ASKS, "t z buy 6@101 fok", ["t x s2 5@100", "s2 FILLED", "t x s1 1@101", "t FILLED"],
        "| 101: s1 4, s3 5"),
    "FOK that can't fill whole does nothing": (ASKS, "t z buy 16@101 fok", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: s2 5; 101: s1 5, s3 5"),
    "FOK that could only beyond its limit does nothing": (ASKS, "t z buy 6@100 fok", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: s2 5; 101: s1 5, s3 5"),
    "FOK for just all that there is fills": (["s1 a sell 5@101"], "t z buy 5@101 fok",
        ["t x s1 5@101", "s1 FILLED", "t FILLED"],
        "|"),
    "GTD takes and rests like GTC": (ASKS, "t z buy 7@100 gtd=9", ["t x s2 5@100", "s2 FILLED", "t rests 2"],
        "100: t 2 | 101: s1 5, s3 5"),
    "post-only rests where it takes nothing": (ASKS, "t z buy 7@99 post", ["t rests 7"],
        "99: t 7 | 100: s2 5; 101: s1 5, s3 5"),
    "post-only is rejected where it would take": (ASKS, "t z buy 1@100 post", ["t REJECTED WOULD_TAKE"],
        "| 100: s2 5; 101: s1 5, s3 5"),
    "post-only is rejected where it would meet its own order": (ASKS, "t b buy 1@100 post", ["t REJECTED WOULD_TAKE"],
        "| 100: s2 5; 101: s1 5, s3 5"),
}  # fmt: skip

MARKET = {
    "a market sell takes at any price": (["b1 a buy 5@98", "b2 b buy 5@1"], "t z sell 7@market",
        ["t x b1 5@98", "b1 FILLED", "t x b2 2@1", "t FILLED"], "1: b2 3 |"),
    "its rest expires": (["b1 a buy 5@98"], "t z sell 7@market",
        ["t x b1 5@98", "b1 FILLED", "t EXPIRED TIME_IN_FORCE"], "|"),
    "it never rests on an empty book": ([], "t z sell 7@market", ["t EXPIRED TIME_IN_FORCE"], "|"),
    "FOK of a market order that can't fill whole": (["b1 a buy 5@98"], "t z sell 7@market fok",
        ["t EXPIRED TIME_IN_FORCE"],
        "98: b1 5 |"),
    "a buy by budget takes what it affords": (ASKS, "t z buy all@market max=750",
        ["t x s2 5@100", "s2 FILLED", "t x s1 2@101", "t FILLED"], "| 101: s1 3, s3 5"),
    "a buy by budget that spends all of it, and all there is": (["s1 a sell 5@10"], "t z buy all@market max=50",
        ["t x s1 5@10", "s1 FILLED", "t FILLED"], "|"),
    "a buy by budget that empties the book": (["s1 a sell 5@10"], "t z buy all@market max=51",
        ["t x s1 5@10", "s1 FILLED", "t EXPIRED TIME_IN_FORCE"], "|"),
    "a buy by budget that affords nothing": (ASKS, "t z buy all@market max=99", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: s2 5; 101: s1 5, s3 5"),
    "the fee comes out of the budget": (["s1 a sell 9@100"], "t z buy all@market max=330 fees=0,100000",
        ["t x s1 3@100 fees 30,0", "t FILLED"], "| 100: s1 6"),
    "a budget one unit short of a lot and its fee": (["s1 a sell 9@100"], "t z buy all@market max=329 fees=0,100000",
        ["t x s1 2@100 fees 20,0", "t FILLED"], "| 100: s1 7"),
    "a fee that rounds to nothing leaves room for a lot more": (
        ["s1 a sell 9@3"], "t z buy all@market max=9 fees=0,100000",
        ["t x s1 3@3", "t FILLED"], "| 3: s1 6"),
    "a buy by quantity stops at its budget": (ASKS, "t z buy 15@market max=550",
        ["t x s2 5@100", "s2 FILLED", "t EXPIRED TIME_IN_FORCE"], "| 101: s1 5, s3 5"),
    "a buy by quantity within its budget": (ASKS, "t z buy 5@market max=500", ["t x s2 5@100", "s2 FILLED", "t FILLED"],
        "| 101: s1 5, s3 5"),
    "a sell stops at its proceeds, before fees": (["b1 a buy 9@100"], "t z sell 9@market max=350 fees=0,100000",
        ["t x b1 3@100 fees 30,0", "t EXPIRED TIME_IN_FORCE"], "100: b1 6 |"),
    "FOK by budget uses it up": (ASKS, "t z buy all@market max=750 fok",
        ["t x s2 5@100", "s2 FILLED", "t x s1 2@101", "t FILLED"], "| 101: s1 3, s3 5"),
    "FOK by budget to the last unit": (["s1 a sell 5@10"], "t z buy all@market max=50 fok",
        ["t x s1 5@10", "s1 FILLED", "t FILLED"], "|"),
    "FOK by budget on a book that is too small": (["s1 a sell 5@10"], "t z buy all@market max=51 fok",
        ["t EXPIRED TIME_IN_FORCE"], "| 10: s1 5"),
}  # fmt: skip

OWN = ["o1 z sell 5@100", "s1 a sell 5@100", "s2 b sell 5@101"]  # z's own is first in line

SELF_TRADE = {
    "expire taker": (OWN, "t z buy 7@101", ["t EXPIRED SELF_TRADE"], "| 100: o1 5, s1 5; 101: s2 5"),
    "expire taker keeps the trades until there": (["s1 a sell 5@99", *OWN[:1]], "t z buy 7@101",
        ["t x s1 5@99", "s1 FILLED", "t EXPIRED SELF_TRADE"], "| 100: o1 5"),
    "expire taker that fills before it meets itself": (["s1 a sell 5@99", *OWN[:1]], "t z buy 5@101",
        ["t x s1 5@99", "s1 FILLED", "t FILLED"], "| 100: o1 5"),
    "expire maker goes on": (OWN, "t z buy 7@101 maker",
        ["o1 EXPIRED SELF_TRADE", "t x s1 5@100", "s1 FILLED", "t x s2 2@101", "t FILLED"], "| 101: s2 3"),
    "expire maker, and rests": (OWN[:1], "t z buy 7@100 maker", ["o1 EXPIRED SELF_TRADE", "t rests 7"], "100: t 7 |"),
    "expire both": (OWN, "t z buy 7@101 both", ["o1 EXPIRED SELF_TRADE", "t EXPIRED SELF_TRADE"],
        "| 100: s1 5; 101: s2 5"),
    "decrement by the smaller, and go on": (OWN, "t z buy 7@101 decrement",
        ["o1 loses 5", "t loses 5", "o1 EXPIRED SELF_TRADE", "t x s1 2@100", "t FILLED"], "| 100: s1 3; 101: s2 5"),
    "decrement ends the taker": (OWN, "t z buy 3@101 decrement",
        ["o1 loses 3", "t loses 3", "t EXPIRED SELF_TRADE"], "| 100: o1 2, s1 5; 101: s2 5"),
    "decrement ends both": (OWN, "t z buy 5@101 decrement",
        ["o1 loses 5", "t loses 5", "o1 EXPIRED SELF_TRADE", "t EXPIRED SELF_TRADE"], "| 100: s1 5; 101: s2 5"),
    "decrement of a partly filled taker": (["s1 a sell 2@99", *OWN[:1]], "t z buy 6@100 decrement",
        ["t x s1 2@99", "s1 FILLED", "o1 loses 4", "t loses 4", "t EXPIRED SELF_TRADE"], "| 100: o1 1"),
    "FOK that self-trade prevention would end does nothing": (OWN, "t z buy 7@101 fok", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: o1 5, s1 5; 101: s2 5"),
    "FOK, expire both: the maker stays": (OWN, "t z buy 7@101 fok both", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: o1 5, s1 5; 101: s2 5"),
    "FOK, decrement: does not count as filling": (OWN, "t z buy 7@101 fok decrement", ["t EXPIRED TIME_IN_FORCE"],
        "| 100: o1 5, s1 5; 101: s2 5"),
    "FOK, expire maker, enough besides": (OWN, "t z buy 7@101 fok maker",
        ["o1 EXPIRED SELF_TRADE", "t x s1 5@100", "s1 FILLED", "t x s2 2@101", "t FILLED"], "| 101: s2 3"),
    "FOK, expire maker, not enough besides: its own order stays": (OWN, "t z buy 11@101 fok maker",
        ["t EXPIRED TIME_IN_FORCE"], "| 100: o1 5, s1 5; 101: s2 5"),
    "by budget, expire maker": (OWN, "t z buy all@market max=250 maker",
        ["o1 EXPIRED SELF_TRADE", "t x s1 2@100", "t FILLED"], "| 100: s1 3; 101: s2 5"),
    "by budget, expire taker": (OWN, "t z buy all@market max=250", ["t EXPIRED SELF_TRADE"],
        "| 100: o1 5, s1 5; 101: s2 5"),
    "by budget, which is used up before its own order": (["s1 a sell 2@99", *OWN[:1]], "t z buy all@market max=198",
        ["t x s1 2@99", "s1 FILLED", "t FILLED"], "| 100: o1 5"),
    "FOK by budget, which is used up before its own order": (
        ["s1 a sell 2@99", *OWN[:1]], "t z buy all@market max=200 fok both",
        ["t x s1 2@99", "s1 FILLED", "t FILLED"], "| 100: o1 5"),
    "a market sell, decrement, with a budget": (["o1 z buy 5@100",
        "b1 a buy 5@100"], "t z sell 9@market max=300 decrement",
        ["o1 loses 5", "t loses 5", "o1 EXPIRED SELF_TRADE", "t x b1 3@100", "t EXPIRED TIME_IN_FORCE"], "100: b1 2 |"),
}  # fmt: skip

BIDS = ["b1 a buy 5@99", "b2 b buy 5@99", "s1 c sell 5@102"]

AMENDS = {
    "less at the same price keeps the place": (BIDS, "amend b1 3@99", ["b1 is 3@99"], "99: b1 3, b2 5 | 102: s1 5"),
    "the same again keeps the place": (BIDS, "amend b1 5@99", ["b1 is 5@99"], "99: b1 5, b2 5 | 102: s1 5"),
    "more loses it": (BIDS, "amend b1 6@99", ["b1 is 6@99", "b1 rests 6"], "99: b2 5, b1 6 | 102: s1 5"),
    "another price loses it": (BIDS, "amend b1 5@100",
        ["b1 is 5@100", "b1 rests 5"], "100: b1 5; 99: b2 5 | 102: s1 5"),
    "a price that crosses takes": (BIDS, "amend b1 8@102", ["b1 is 8@102", "b1 x s1 5@102", "s1 FILLED", "b1 rests 3"],
        "102: b1 3; 99: b2 5 |"),
    "a price that crosses its own order": ([*BIDS, "s2 a sell 1@101"], "amend b1 5@101",
        ["b1 is 5@101", "b1 EXPIRED SELF_TRADE"], "99: b2 5 | 101: s2 1; 102: s1 5"),
    "the new total counts what is filled": ([*BIDS, "x d sell 2@99"], "amend b1 4@99", ["b1 is 4@99"],
        "99: b1 2, b2 5 | 102: s1 5"),
    "a total at what is filled is declined": ([*BIDS, "x d sell 2@99"], "amend b1 2@99",
        ["b1 keeps AMEND_BELOW_FILLED"],
        "99: b1 3, b2 5 | 102: s1 5"),
    "a total below what is filled is declined": ([*BIDS, "x d sell 2@99"], "amend b1 1@98",
        ["b1 keeps AMEND_BELOW_FILLED"],
        "99: b1 3, b2 5 | 102: s1 5"),
    "post-only that would take is declined, and keeps its place": (["p a buy 5@99 post", *BIDS[1:]], "amend p 5@102",
        ["p keeps WOULD_TAKE"], "99: p 5, b2 5 | 102: s1 5"),
    "post-only moves where it takes nothing": (["p a buy 5@99 post", *BIDS[1:]], "amend p 5@101",
        ["p is 5@101", "p rests 5"], "101: p 5; 99: b2 5 | 102: s1 5"),
    "a cancel": (BIDS, "cancel b2", ["b2 CANCELLED"], "99: b1 5 | 102: s1 5"),
}  # fmt: skip

FEES = {
    "both sides pay, rounded down": (["s1 a sell 3@33 fees=10000,0"], "t z buy 3@33 fees=0,20000",
        ["t x s1 3@33 fees 1,0", "s1 FILLED", "t FILLED"], "|"),
    "the maker's rates are the maker's": (["s1 a sell 9@100 fees=1000,9"], "t z buy 9@100 fees=7,2000",
        ["t x s1 9@100 fees 1,0", "s1 FILLED", "t FILLED"], "|"),
    "a rebate is rounded towards zero": (["s1 a sell 9@111 fees=-1999,0"], "t z buy 9@111 fees=0,3000",
        ["t x s1 9@111 fees 2,-1", "s1 FILLED", "t FILLED"], "|"),
    "each fill has its own": (["s1 a sell 1@999 fees=1000,0",
        "s2 b sell 1@999 fees=1000,0"], "t z buy 2@999 fees=0,1000",
        ["t x s1 1@999", "s1 FILLED", "t x s2 1@999", "s2 FILLED", "t FILLED"], "|"),
}  # fmt: skip

TABLES = [PRICE_TIME, TIME_IN_FORCE, MARKET, SELF_TRADE, AMENDS, FEES]
CASES = [pytest.param(*case, id=name) for table in TABLES for name, case in table.items()]


@pytest.mark.parametrize(("before", "command", "events", "after"), CASES)
def test_matching(before, command, events, after):
    play = Play()
    play.lines(*before)
    assert play.lines(command) == events
    assert play.drawn() == after


def test_every_case_has_a_mirror_image():
    """Buying and selling are the same rule: with prices turned over, each case without a budget goes the other way."""
    for table in TABLES:
        for name, (before, command, events, _) in table.items():
            if "max=" in command or "market" in command or table is FEES:
                continue
            play = Play()
            play.lines(*map(mirrored, before))
            assert play.lines(mirrored(command)) == [mirrored(event) for event in events], name


def mirrored(line: str) -> str:
    words = [{"buy": "sell", "sell": "buy"}.get(word, word) for word in line.split()]
    return " ".join(f"{word.split('@')[0]}@{1000 - int(word.split('@')[1])}" if "@" in word else word for word in words)


def test_depth_tells_only_levels_whose_total_changed():
    play = Play()
    play.lines(*ASKS)
    assert play.engine.book.take_changes() == ([], [(100, 5), (101, 10)])
    play.lines("t z buy 5@100", "s4 a sell 5@100")
    assert play.engine.book.take_changes() == ([], [])
    play.lines("t2 z buy 7@100")
    assert play.engine.book.take_changes() == ([(100, 2)], [(100, 0)])
