"""sha256 of the evaluators that ship with the zoo. Written by `python -m ganbench_zoo.evaluators.train`."""

SHA256: dict[str, str] = {
    "blocks": "7390144ee0c3cf25c00235dc46ca21e98ff604fec27a0fae51881c53714ee010",
    "faces": "b1e1a296dd3938c12a07ba8fddc5e02cf8462fd2540f52a665bad9812c142f22",
}
