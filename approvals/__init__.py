"""The reviewer service: requests, votes, people, and the page and API they are decided on.

What decides is pure: `approvals.lifecycle`, `approvals.votes`, `approvals.outputs`. Around it stand the
database (`approvals.store`), the log (`approvals.service`) and HTTP (`approvals.web`).
"""
