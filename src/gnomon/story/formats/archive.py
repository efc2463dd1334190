"""The zip files that .docx and .epub are: opened with limits, and XML read without entities, DTDs or a network."""

import io
import zipfile
import zlib
from typing import Any

from gnomon.errors import UserError

_LARGEST_MEMBER = 100 * 2**20
_MEMBERS = 20_000
_RATIO = 200  # the text of a book shrinks to a third; what grows by so much was made to
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class TooLarge(UserError):
    """A file that is larger than any story, or would be on being opened."""


class Archive:
    """The members of a zip file that is no bomb."""

    def __init__(self, data: bytes, name: str, kind: str) -> None:
        if data.startswith(_OLE):
            raise UserError(f"{name} is encrypted, or an old .doc file; save it without a password as .docx")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
            raise UserError(f"{name} is no {kind} file (not a zip archive), or is damaged") from None
        self._name = name
        self._kind = kind
        members = self._zip.infolist()
        whole = sum(each.file_size for each in members)
        if len(members) > _MEMBERS or any(self._bomb(each) for each in members) or whole > 10 * _LARGEST_MEMBER:
            raise TooLarge(f"{name} would grow to {whole / 2**20:.0f} MB on being opened; no story does")
        if any(each.flag_bits & 1 for each in members):
            raise UserError(f"{name} is encrypted; save it without a password")

    @staticmethod
    def _bomb(member: zipfile.ZipInfo) -> bool:
        size = member.file_size
        grown = size > 2**20 and size > _RATIO * max(1, member.compress_size)
        return grown or (size > _LARGEST_MEMBER and member.compress_type != zipfile.ZIP_STORED)

    def __contains__(self, member: str) -> bool:
        return member in self._zip.NameToInfo

    def read(self, member: str) -> bytes:
        """The bytes of one member."""
        try:
            with self._zip.open(member) as file:
                data = file.read(_LARGEST_MEMBER + 1)
        except KeyError:
            raise UserError(f"{self._name} is no {self._kind} file: it lacks {member}") from None
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError, zlib.error):
            raise UserError(f"{self._name} is damaged: {member} cannot be read") from None
        if len(data) > _LARGEST_MEMBER:
            raise TooLarge(f"{self._name} would grow to more than {_LARGEST_MEMBER // 2**20} MB on being opened")
        return data

    def xml(self, member: str) -> Any:
        """The root element of one member (lxml). Entities of its own are refused; nothing outside is loaded."""
        from lxml import etree

        data = self.read(member)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise UserError(f"{self._name} is damaged: {member} is no XML ({error.msg})") from None
        dtd = root.getroottree().docinfo.internalDTD
        if dtd is not None and any(True for _ in dtd.iterentities()):
            raise UserError(f"{self._name} is refused: {member} defines entities, which no story needs")
        return root
