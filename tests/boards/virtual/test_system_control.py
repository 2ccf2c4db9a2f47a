"""The interrupt controller, SysTick and the timers as firmware's reads and writes see them."""

from __future__ import annotations

import pytest

from evbench.boards.virtual.interrupts import LOWEST, InterruptController
from evbench.boards.virtual.peripherals import (
    GPIO_BSRR,
    GPIO_IDR,
    GPIO_MODER,
    GPIO_ODR,
    RCC_D1CFGR,
    RCC_D2CFGR,
    Peripherals,
)
from evbench.boards.virtual.system_control import AIRCR, CFSR, ICSR, SHCSR, VTOR, SystemControl
from evbench.boards.virtual.system_timers import NEVER, Timer

TICK_CONTROL, TICK_LOAD, TICK_VALUE = 0xE000E010, 0xE000E014, 0xE000E018
ENABLE, PEND, CLEAR_PEND, ACTIVE, PRIORITY = 0xE000E100, 0xE000E200, 0xE000E280, 0xE000E300, 0xE000E400
TIM2, TIM1 = 0x40000000, 0x40010000
GPIOE = 0x58021000


class Clock:
    """A cycle count that tests set."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def controller() -> InterruptController:
    return InterruptController()


@pytest.fixture
def resets() -> list[None]:
    return []


@pytest.fixture
def control(controller: InterruptController, clock: Clock, resets: list[None]) -> SystemControl:
    made = SystemControl(controller, clock, lambda: resets.append(None), lambda: None)
    made.reset(0x08000000)
    return made


@pytest.fixture
def chip(control: SystemControl, clock: Clock) -> Peripherals:
    return Peripherals(control, clock, lambda: None, lambda text: None, 0x20030450)


def test_of_two_pending_interrupts_the_more_urgent_is_next_and_of_equals_the_lower_number(
    control: SystemControl, controller: InterruptController
) -> None:
    control.write(ENABLE, 0xFF)
    control.write(PEND, 1 << 3 | 1 << 5)
    assert controller.next == 19
    control.write(PRIORITY, 0x80000000)  # interrupt 3
    assert controller.next == 21


def test_an_interrupt_that_is_not_enabled_stays_pending(
    control: SystemControl, controller: InterruptController
) -> None:
    control.write(PEND, 1)
    assert (controller.next, control.read(PEND)) == (None, 1)
    control.write(CLEAR_PEND, 1)
    assert control.read(PEND) == 0


def test_priorities_have_four_bits_and_can_be_written_byte_by_byte(chip: Peripherals) -> None:
    chip.write(PRIORITY + 2, 0xFF, size=1)
    chip.write(PRIORITY + 1, 0x5A, size=1)
    assert chip.read(PRIORITY) == 0x00F05000


def test_priorities_of_one_group_do_not_interrupt_each_other(
    control: SystemControl, controller: InterruptController
) -> None:
    control.write(ENABLE, 3)
    control.write(PRIORITY, 0x4050)
    control.write(AIRCR, 0x05FA0600)  # one bit of group priority
    controller.enter(16)
    control.write(PEND, 2)
    assert controller.next == 17
    assert controller.next_priority >= controller.running
    control.write(AIRCR, 0x05FA0300)  # all four bits
    assert controller.next_priority < controller.running


def test_a_write_to_aircr_without_its_key_does_nothing(control: SystemControl, resets: list[None]) -> None:
    control.write(AIRCR, 4)
    assert resets == []
    control.write(AIRCR, 0x05FA0004)
    assert resets == [None]
    assert control.read(AIRCR) >> 16 == 0xFA05


@pytest.mark.parametrize(
    ("masks", "priority"),
    [((0, 0, 0), LOWEST), ((1, 0, 0), 0), ((0, 0x85, 0), 0x80), ((0, 0, 1), -1), ((1, 0x80, 1), -1)],
)
def test_mask_registers_raise_the_priority_of_what_runs(
    controller: InterruptController, masks: tuple[int, int, int], priority: int
) -> None:
    assert controller.masked(*masks) == priority


def test_a_line_that_is_still_held_asks_again_when_its_handler_ends(controller: InterruptController) -> None:
    controller.enabled.add(20)
    controller.hold(20, True)
    controller.enter(20)
    controller.hold(20, True)
    assert controller.next is None
    controller.leave(20)
    assert controller.next == 20
    controller.enter(20)
    controller.hold(20, False)
    controller.leave(20)
    assert controller.next is None


def test_icsr_says_what_runs_and_what_is_pending(control: SystemControl, controller: InterruptController) -> None:
    control.write(ICSR, 1 << 28 | 1 << 26)
    controller.enter(11)
    value = control.read(ICSR)
    assert value & 0x1FF == 11
    assert value >> 12 & 0x1FF == 14
    assert value & (1 << 28 | 1 << 26) == 1 << 28 | 1 << 26
    control.write(ICSR, 1 << 27 | 1 << 25)
    assert controller.pending == set()


def test_shcsr_switches_fault_handlers_and_shows_which_is_active(
    control: SystemControl, controller: InterruptController
) -> None:
    control.write(SHCSR, 1 << 17)
    assert 5 in controller.enabled
    controller.enter(5)
    assert control.read(SHCSR) == 1 << 17 | 1 << 1
    assert control.read(ACTIVE) == 0


def test_fault_status_is_cleared_by_writing_ones(chip: Peripherals, control: SystemControl) -> None:
    control.raise_bits(CFSR, 0x8201)
    chip.write(CFSR + 1, 0x82, size=1)
    assert chip.read(CFSR) == 1


def test_the_vector_table_is_where_the_reset_put_it_until_it_is_moved(control: SystemControl) -> None:
    assert control.read(VTOR) == 0x08000000
    control.write(VTOR, 0x24000000)
    assert control.read(VTOR) == 0x24000000


def test_the_system_tick_counts_down_and_asks_once_per_period(control: SystemControl, clock: Clock) -> None:
    control.write(TICK_LOAD, 99)
    control.write(TICK_CONTROL, 7)
    clock.now = 30
    assert control.read(TICK_VALUE) == 69
    assert control.tick.due() == 100
    assert not control.tick.take()
    clock.now = 350
    assert control.tick.take()
    assert not control.tick.take()
    assert control.tick.due() == 400
    assert control.read(TICK_CONTROL) == 7 | 1 << 16
    assert control.read(TICK_CONTROL) == 7


def test_the_system_tick_without_its_interrupt_only_counts(control: SystemControl, clock: Clock) -> None:
    control.write(TICK_LOAD, 9)
    control.write(TICK_CONTROL, 5)
    clock.now = 25
    assert control.tick.due() == NEVER
    assert control.read(TICK_VALUE) == 4


def test_the_system_tick_may_run_at_an_eighth_of_the_clock(control: SystemControl, clock: Clock) -> None:
    control.write(TICK_LOAD, 99)
    control.write(TICK_CONTROL, 3)
    clock.now = 80
    assert control.read(TICK_VALUE) == 89
    assert control.tick.due() == 800


def test_a_timer_counts_at_the_rate_its_prescaler_and_the_buses_give(chip: Peripherals, clock: Clock) -> None:
    chip.write(RCC_D1CFGR, 8)  # AHB: half the core's clock
    chip.write(RCC_D2CFGR, 4 << 4 | 5 << 8)  # APB1: half of that, APB2: a quarter
    for timer in (TIM2, TIM1):
        chip.write(timer + Timer.PSC, 9)
        chip.write(timer + Timer.EGR, 1)
        chip.write(timer + Timer.CR1, 1)
    clock.now = 4000
    assert chip.read(TIM2 + Timer.CNT) == 4000 // (2 * 10)
    assert chip.read(TIM1 + Timer.CNT) == 4000 // (4 * 10)


def test_a_timer_sets_its_flag_at_the_end_of_each_period_and_holds_its_line_until_cleared(
    chip: Peripherals, clock: Clock
) -> None:
    chip.write(TIM2 + Timer.ARR, 99)
    chip.write(TIM2 + Timer.DIER, 1)
    chip.write(TIM2 + Timer.CR1, 1)
    assert chip.due() == 101
    clock.now = chip.due()
    assert chip.lines() == {44: True}
    assert chip.due() == NEVER
    chip.write(TIM2 + Timer.SR, 0)
    assert chip.lines() == {44: False}
    assert 200 <= chip.due() <= 201
    assert chip.read(TIM2 + Timer.CNT) == 1


def test_a_one_pulse_timer_stops_after_its_period(chip: Peripherals, clock: Clock) -> None:
    chip.write(TIM2 + Timer.ARR, 99)
    chip.write(TIM2 + Timer.CR1, 9)
    clock.now = 1000
    assert chip.read(TIM2 + Timer.SR) == 1
    assert chip.read(TIM2 + Timer.CR1) == 8
    assert chip.read(TIM2 + Timer.CNT) == 0


def test_an_output_pin_reads_as_it_was_set_and_reset(chip: Peripherals) -> None:
    chip.write(GPIOE + GPIO_MODER, 1 << 2 * 3)
    chip.write(GPIOE + GPIO_BSRR, 1 << 3 | 1 << 5)
    assert chip.read(GPIOE + GPIO_ODR) == 1 << 3 | 1 << 5
    assert chip.read(GPIOE + GPIO_IDR) == 1 << 3, "pin 5 is an input and reads low"
    chip.write(GPIOE + GPIO_BSRR, 1 << (16 + 3))
    assert (chip.read(GPIOE + GPIO_ODR), chip.read(GPIOE + GPIO_IDR)) == (1 << 5, 0)
