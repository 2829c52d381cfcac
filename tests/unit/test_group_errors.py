"""Errors of aiokafka's place in its group, which wait until somebody asks for them."""

import asyncio
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from streams.worker.transport import group_error
from tests.loops import in_a_loop


async def coordinator(failure: Exception) -> Any:
    """A coordinator that meets an error each time that it looks for its group."""
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    subscription = SubscriptionState()
    subscription.register_fetch_waiters(set())
    one = GroupCoordinator(client, subscription, enable_auto_commit=False)
    one.met = 0

    async def fail() -> None:
        one.met += 1
        raise failure

    one.ensure_coordinator_known = fail
    subscription.subscribe({"calls"})
    return one


async def shortly() -> None:
    for _ in range(20):
        await asyncio.sleep(0.005)


@in_a_loop
async def test_a_refusal_is_told_once_and_then_tried_again() -> None:
    one = await coordinator(GroupAuthorizationFailedError("lakehouse"))
    await shortly()
    assert one.met == 1  # it waits to be asked
    assert "lakehouse" in await group_error(one)
    await shortly()
    assert one.met == 2
    one._coordination_task.cancel()


@in_a_loop
async def test_an_error_that_ends_the_coordination_is_raised() -> None:
    one = await coordinator(ValueError("unforeseen"))
    await shortly()
    with pytest.raises(KafkaError, match="unforeseen"):
        await group_error(one)


@in_a_loop
async def test_where_nothing_is_wrong_nothing_is_told() -> None:
    one = GroupCoordinator(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())
    await shortly()
    assert await group_error(one) == ""
    one._coordination_task.cancel()


@in_a_loop
async def test_heartbeats_that_ended_are_started_again_by_joining_anew() -> None:
    one = GroupCoordinator(AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), SubscriptionState())
    await shortly()
    one._heartbeat_task = asyncio.create_task(failing())
    await shortly()
    one._rejoin_needed_fut = asyncio.get_running_loop().create_future()
    await group_error(one)
    assert one._rejoin_needed_fut.done()
    one._coordination_task.cancel()


async def failing() -> None:
    raise GroupAuthorizationFailedError("lakehouse")
