"""A page on this machine that searches an index and shows what the words of a query select."""

from csparc.search.browse.server import Server, serve

__all__ = ["Server", "serve"]
