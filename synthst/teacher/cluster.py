"""Translate the parts of a plan on Dask workers, each with a teacher of its own."""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass

from synthst.cluster import Cluster, connect
from synthst.teacher.plan import TranslatedPart
from synthst.teacher.protocol import Teacher
from synthst.teacher.spread import Job, spread_parts


@dataclass(frozen=True)
class TeacherCluster:
    """Where to translate, and how a worker gets its teacher.

    ``load`` must be picklable, and the files that it names must be where the workers are.
    """

    cluster: Cluster
    load: Callable[[], Teacher]


def translate_on_cluster(
    where: TeacherCluster, identity: Mapping[str, object], parts: Iterable[list[str]]
) -> Generator[TranslatedPart]:
    """Yield every part with its translations, in the order in which workers finish.

    Workers may come and go; a part whose worker is lost goes to another. A worker's teacher must be the one
    of this ``identity``. After an error, what is under way elsewhere is waited for and yielded first.
    Raises what a teacher raises, and DataError when a part has cost several workers' lives or the scheduler
    goes away.
    """
    with connect(where.cluster) as (client, replenish):
        job = Job.make(where.load, identity, devices=where.cluster.devices)
        yield from spread_parts(client, job, parts, replenish)
