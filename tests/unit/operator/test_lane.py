from grove_operator.operator.lane import NARROW, WIDE, Lane


class Server:
    def __init__(self) -> None:
        self.strained = False
        self.called: list[str] = []
        self.lane: Lane[str] = Lane(lambda: self.strained, self.called.append)


def test_at_ease_many_write_at_once() -> None:
    server = Server()
    entered = [server.lane.enter(str(number)) for number in range(WIDE + 1)]
    assert entered == [True] * WIDE + [False]


def test_under_strain_one_writes_and_the_rest_are_called_in_their_order() -> None:
    server = Server()
    server.strained = True
    assert [server.lane.enter(key) for key in "abc"] == [True] * NARROW + [False, False]
    server.lane.wake()
    assert server.called == []
    server.lane.leave()
    server.lane.wake()
    assert server.called == ["b"]


def test_a_key_waits_once() -> None:
    server = Server()
    server.strained = True
    for key in "abb":
        server.lane.enter(key)
    server.lane.leave()
    server.lane.wake()
    server.lane.wake()
    assert server.called == ["b"]


def test_who_is_called_and_has_nothing_to_write_does_not_stop_the_others() -> None:
    server = Server()
    server.strained = True
    for key in "abc":
        server.lane.enter(key)
    server.lane.leave()
    server.lane.wake()
    server.lane.wake()  # the end of b's pass, which wrote nothing
    assert server.called == ["b", "c"]


def test_when_the_server_recovers_all_are_called() -> None:
    server = Server()
    server.strained = True
    for key in "abcd":
        server.lane.enter(key)
    server.lane.leave()
    server.strained = False
    server.lane.wake()
    assert server.called == ["b", "c", "d"]
