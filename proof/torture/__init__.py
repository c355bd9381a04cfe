"""Real processes, real faults, and a checker that knows nothing of fcs: `python -m proof torture`.

    load ----creates----> cluster <----faults---- nemesis
     |                       | bodies                |
     v                       v                       v
    clients-N.jsonl        ledger              nemesis.jsonl      tables at the end: *.jsonl
                              \\_______________ checker ______________/

Everything that the checker reads lies in one folder, so a failing run can be judged again.
"""
