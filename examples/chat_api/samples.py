"""Names, groups and sentences for the first messages and for the simulated users."""

from __future__ import annotations

from random import Random
from typing import Final

PEOPLE: Final = (
    "ada", "alan", "barbara", "dennis", "donald", "edsger", "frances", "grace", "hedy", "john", "karen", "katherine",
    "ken", "leslie", "linus", "margaret", "niklaus", "radia", "shafi", "tim",
)  # fmt: skip

GROUPS: Final = (
    "General", "Release planning", "Incidents", "Design review", "Support", "Random", "Hiring", "Data platform",
)  # fmt: skip
"""The groups there are from the start, the busiest first."""

TOPICS: Final = (
    "billing", "search", "the mobile app", "onboarding", "the import job", "the new schema", "the cache", "the docs",
    "the release", "the load test", "the login page", "the Berlin office",
)  # fmt: skip

SENTENCES: Final = (
    "Has anyone looked at {topic} today?",
    "I pushed a fix for {topic}, please review.",
    "{topic} looks good to me.",
    "Who owns {topic} now?",
    "Numbers for {topic} are up 4 % since Monday.",
    "Can we move the meeting about {topic} to three?",
    "I will write up what we decided on {topic}.",
    "Thanks! {topic} works again.",
    "Customers are asking about {topic}.",
    "Let us not ship {topic} on a Friday.",
    "Coffee?",
    "Buy cheap spam now, ask me about {topic}",
)

WORDS: Final = ("release", "billing", "cache", "review", "meeting", "Berlin", "customers", "login", "schema", "coffee")
"""What people search for."""


def sentence(random: Random) -> str:
    """Something a colleague might write."""
    text = random.choice(SENTENCES).format(topic=random.choice(TOPICS))
    return text[0].upper() + text[1:]
