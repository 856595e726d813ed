"""Settings of a release."""

from pipeline.settings.section import Section


class ReleaseSettings(Section):
    """What a release may contain."""

    title: str = ""
    accept_failed_shards: bool = False
