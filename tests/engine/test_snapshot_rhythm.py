"""When snapshots are taken: at checkpoints, and never so often that they are what an engine is busy with."""

from services.engine.snapshots import REST_MAX_S, REST_RATIO, Rhythm


def test_it_is_due_at_a_checkpoint_when_it_is_quiet_or_long_after() -> None:
    rhythm = Rhythm(10, now_s=100)
    assert rhythm.is_due(101, is_idle=False, is_checkpoint=True)
    assert not rhythm.is_due(109, is_idle=True, is_checkpoint=False)
    assert rhythm.is_due(110, is_idle=True, is_checkpoint=False)
    assert not rhythm.is_due(119, is_idle=False, is_checkpoint=False)
    assert rhythm.is_due(120, is_idle=False, is_checkpoint=False)


def test_after_a_quick_one_the_next_checkpoint_is_taken() -> None:
    rhythm = Rhythm(10, now_s=0)
    rhythm.note(10, 10.5)
    assert rhythm.is_due(20, is_idle=False, is_checkpoint=True)


def test_after_one_of_a_large_state_there_is_none_for_long() -> None:
    rhythm = Rhythm(10, now_s=0)
    rhythm.note(10, 15)
    rest_ends_s = 15 + 5 * REST_RATIO
    assert rest_ends_s > 15 + 10
    for is_idle, is_checkpoint in ((True, False), (False, True)):
        assert not rhythm.is_due(rest_ends_s - 0.1, is_idle=is_idle, is_checkpoint=is_checkpoint)
        assert rhythm.is_due(rest_ends_s, is_idle=is_idle, is_checkpoint=is_checkpoint)


def test_a_pause_is_bounded() -> None:
    rhythm = Rhythm(10, now_s=0)
    rhythm.note(0, 50)
    assert rhythm.is_due(50 + REST_MAX_S, is_idle=False, is_checkpoint=True)
