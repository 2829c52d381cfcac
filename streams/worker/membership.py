"""What a killed worker leaves in its consumer group: a member that does not answer.

Until its session ends the group waits for it: nobody gets its partitions, and a rebalance that its successor asks for keeps
everybody waiting. But anybody may say that a member leaves (LeaveGroup, https://kafka.apache.org/protocol#The_Messages_LeaveGroup),
and who starts a worker knows who was there before it: whoever has its client id. Where two live workers were given one name by
mistake, the earlier one is told that it is no longer a member, and joins again.
"""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.group import LeaveGroupRequest

from lakehouse import kafka_access
from lakehouse.settings import Settings

_ANSWER_S = 3.0


def client_id(worker: str) -> str:
    """What a worker is called in its group."""
    return f"lakehouse-worker-{worker}"


async def end_former(settings: Settings, group: str, worker: str) -> int:
    """Let a worker's former processes leave its group.

    Returns:
        how many have left.
    Raises:
        KafkaError: Kafka refuses, or does not know the coordinator yet.
        TimeoutError: it does not answer within three seconds.
    """
    name = client_id(worker)
    admin = AIOKafkaAdminClient(**kafka_access.aiokafka(settings), client_id=name)
    try:
        async with asyncio.timeout(_ANSWER_S):
            await admin.start()
            coordinator = await admin.find_coordinator(group)
            (described,) = await admin.describe_consumer_groups([group], coordinator)
            former = [member[0] for told in described.groups for member in told[5] if member[1] == name]
            for member in former:
                answer = await admin._send_request(LeaveGroupRequest(group, member), coordinator)
                if answer.error_code:
                    raise for_code(answer.error_code)(f"{member} is still in {group}")
            return len(former)
    finally:
        await admin.close()
