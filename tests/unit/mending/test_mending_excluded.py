"""What `exclude` bars where no scan has looked."""

import pytest

from graced.mending.excluded import is_barred, is_excluded
from graced.spec.config import CodingAgent, Config, Watch


@pytest.mark.parametrize(
    ("path", "exclude", "said"),
    [
        ("/srv/app/vendor/x.py", "vendor/", True),  # relative to the kernel's sources
        ("/srv/app/x.py", "vendor/", False),
        ("/srv/app/vendor/x.py", "/app/vendor/", True),  # to the folder of the configuration
        ("/lib/gen/x.py", "/gen/", True),  # to a watched path
        ("/elsewhere/gen/x.py", "gen/", False),
        ("/one/gen.py", "gen.py", True),  # a file of `sources`
        ("/srv/named.py", "*.py", False),  # one that is watched itself
    ],
)
def test_as_gitignore_has_it(path: str, exclude: str, said: bool) -> None:
    agent = CodingAgent(watch=(Watch("/lib"), Watch("/srv/named.py")), exclude=(exclude,))
    config = Config("/home", coding_agent=agent, folder="/srv")
    assert is_excluded(path, config, ("/srv/app", "/one/gen.py")) is said


def test_without_patterns_nothing_is_barred() -> None:
    assert not is_excluded("/a/x.py", Config("/home", folder="/a"), ("/a",))


def test_barred_is_what_is_excluded_and_what_is_watched_no_longer() -> None:
    agent = CodingAgent(watch=(Watch("/srv/app"),), exclude=("legacy/",))
    config = Config("/home", coding_agent=agent, folder="/srv")
    barred = [path for path in ("/srv/app/a.py", "/srv/app/legacy/b.py", "/gone/c.py", "/src/d.py")
              if is_barred(path, config, ("/src",))]  # fmt: skip
    assert barred == ["/srv/app/legacy/b.py", "/gone/c.py"]
