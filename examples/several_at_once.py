"""Three learning rates at once, watched as they train, with the asynchronous client.

python examples/several_at_once.py
"""

import asyncio

from traind import AsyncClient, AsyncJob


async def followed(client: AsyncClient, lr: float) -> AsyncJob:
    """A job with this rate, at its end; its epochs are told meanwhile."""
    spec = {"dataset": {"name": "digits"}, "training": {"epochs": 3, "optimizer": {"lr": lr}}}
    job = await client.train(spec, name=f"rate {lr}")
    async for event in job.watch():
        if getattr(event, "kind", "") == "epoch":
            print(f"rate {lr}: {event.message}")
    return await job.wait()


async def main() -> None:
    async with AsyncClient() as client:
        jobs = await asyncio.gather(*(followed(client, lr) for lr in (0.0001, 0.001, 0.01)))
        best = max(jobs, key=lambda job: job.answer.metrics["validation_accuracy"] or 0.0)
        print(f"best: {best.answer.name}, {await best.model()}")


asyncio.run(main())
