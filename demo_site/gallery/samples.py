"""What the samples are called; the nth photo shows the nth scene of pictures/scenes.py."""

from typing import NamedTuple


class AlbumSample(NamedTuple):
    title: str
    description: str


class PhotoSample(NamedTuple):
    album: AlbumSample
    file_name: str
    title: str
    caption: str


class DocumentSample(NamedTuple):
    album: AlbumSample | None
    file_name: str
    title: str


HORIZONS = AlbumSample("Far horizons · 天涯", "Where the land ends and light begins.\n路的尽头，光的开始。")
NIGHTS = AlbumSample(
    "Nights · 夜色",
    "Mountains, towers and a full moon after dark.\n山影、灯火与一轮满月。",
)
JIANGNAN = AlbumSample(
    "江南 · Jiangnan", "湖、竹、荷与茶。\nLake, bamboo, lotus and tea south of the Yangtze."
)

# In the order they are planted; the page shows the newest album first.
ALBUMS = (HORIZONS, NIGHTS, JIANGNAN)

PHOTOS = (
    PhotoSample(HORIZONS, "dunes at dusk.png", "Dunes at dusk", "大漠黄昏，沙丘一层层暗下去。"),
    PhotoSample(HORIZONS, "海上日落.jpg", "海上日落", "The sun takes its time over a quiet sea."),
    PhotoSample(HORIZONS, "northern lights.jpg", "Northern lights", "极光在湖面上又亮了一次。"),
    PhotoSample(NIGHTS, "雪山 星夜.jpg", "雪山 星夜", "Nine peaks, a young moon and no one awake."),
    PhotoSample(NIGHTS, "the bund.jpg", "The Bund after work", "外滩夜色，塔尖还留着一点霞光。"),
    PhotoSample(NIGHTS, "中秋 月圆.jpg", "中秋 月圆", "Mid-autumn: seven birds late for home."),
    PhotoSample(JIANGNAN, "西湖 晨雾.jpg", "西湖 晨雾", "Morning mist on West Lake; the boat is out first."),
    PhotoSample(JIANGNAN, "bamboo.jpg", "Bamboo, early light", "竹林深处，风先到。"),
    PhotoSample(JIANGNAN, "荷塘.jpg", "荷塘", "Lotus pond, seen by a passing heron."),
    PhotoSample(JIANGNAN, "龙井 茶园.jpg", "龙井 茶园", "Tea terraces at Longjing, a week before picking."),
)

DOCUMENTS = (
    DocumentSample(None, "使用说明 read me.txt", "使用说明 · Read me"),
    DocumentSample(JIANGNAN, "江南 contact sheet.pdf", "江南 · Contact sheet"),
)

READ_ME = """\
使用说明
========
这个相册里的每张图片和每份文件都保存在 FastDFS 中，数据库只记录 FastDFS 给出的文件 ID。
在管理后台上传、替换、下载，就像使用普通的 Django 文件字段一样。

Read me
=======
Every picture and every document in this gallery is kept in FastDFS; the database holds nothing but
the file ids that FastDFS gave. Upload, replace and download in the admin as with any Django file field.
"""
