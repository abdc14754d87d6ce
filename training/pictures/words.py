"""The words that the model of images knows, in English and Japanese, and how a prompt is read.

A concept has one canonical token, whatever it is called. Which of two things is meant by `left` is told by the order of
the tokens, and the table keeps to one grammar for both languages: `left A B`, `B left A` and `B A left` are read as
they stand. Where a language turns them round (家の左にボール, "a house with a ball to its left"), the phrase has the
token of the other direction: the first is a house to the right of a ball.
"""

# ruff: noqa: E501 - a concept is a line

from __future__ import annotations

import re
from functools import cache

from nbinfer.local.captions import Captions

# Each concept with the words and phrases that mean it. 。 stands for the end of a sentence.
CONCEPTS: dict[str, str] = {
    # Shapes
    "ball": "ball, balls, circle, circles, disc, discs, disk, disks, sphere, spheres, orb, orbs, round thing, ボール, 球, 玉, 丸, 円, まる",
    "square": "square, squares, box, boxes, cube, cubes, block, blocks, crate, crates, 四角, 四角形, 正方形, 箱, 立方体, しかく, ブロック",
    "triangle": "triangle, triangles, pyramid, pyramids, 三角, 三角形, さんかく, ピラミッド",
    "star": "star, stars, 星, 星形, 星型, スター",
    "heart": "heart, hearts, heart shape, heart shapes, ハート, ハート形, ハート型, 心臓",
    "house": "house, houses, home, homes, cottage, cottages, hut, huts, cabin, cabins, building, buildings, 家, 一軒家, 小屋, おうち, お家, いえ, 建物",
    "tree": "tree, trees, oak, oaks, fir, firs, pine, pines, pine tree, pine trees, fir tree, fir trees, oak tree, oak trees, 木, 樹, 樹木, 木々, 松の木, モミの木",
    "boat": "boat, boats, ship, ships, sailboat, sailboats, sailing boat, sailing boats, sailing ship, sailing ships, yacht, yachts, 船, 舟, ボート, ヨット, 帆船, 小舟",
    "lamp": "lamp, lamps, street lamp, street lamps, street light, street lights, streetlamp, streetlamps, streetlight, streetlights, lamp post, lamp posts, lamppost, lampposts, lantern, lanterns, gas lamp, gas lamps, 街灯, 街燈, ランプ, 外灯, 街路灯, ガス灯, ランタン",
    "figure": "figure, figures, person, persons, people, man, men, woman, women, someone, somebody, stranger, strangers, traveller, travellers, traveler, travelers, wanderer, wanderers, monk, monks, hooded figure, hooded figures, cloaked figure, cloaked figures, cloak, cloaks, cape, capes, hood, hooded, cloaked, robe, robes, 人, 人物, 人影, 男性, 女性, 男, 女, 男の人, 女の人, 旅人, マント, マントの人, マントの人物, マントをまとった人, マントをまとった人物, マントをまとった男性, マントをまとった女性, マントを着た人, マントを着た人物, マントを着た男性, マントを着た女性, 修道士, フード, ローブ",
    # Colours
    "red": "red, reddish, crimson, scarlet, ruby, dark red, light red, bright red, deep red, 赤, 赤い, 赤色, 赤色の, 赤の, 真っ赤, 真っ赤な, あか, あかい, レッド, 紅",
    "orange": "orange, orange coloured, orange colored, tangerine, dark orange, light orange, bright orange, オレンジ, オレンジの, オレンジ色, オレンジ色の, 橙, 橙色, 橙色の, だいだい色",
    "yellow": "yellow, yellowish, golden, gold, dark yellow, light yellow, bright yellow, 黄, 黄色, 黄色い, 黄色の, きいろ, きいろい, 金色, 金色の, イエロー",
    "green": "green, greenish, emerald, dark green, light green, bright green, deep green, 緑, 緑の, 緑色, 緑色の, みどり, みどりの, グリーン, 青々とした",
    "blue": "blue, bluish, navy, azure, dark blue, light blue, bright blue, deep blue, 青, 青い, 青色, 青色の, 青の, あお, あおい, ブルー, 水色, 水色の, 紺, 紺色, 紺色の",
    "purple": "purple, violet, lilac, lavender, magenta, dark purple, light purple, bright purple, deep purple, 紫, 紫の, 紫色, 紫色の, むらさき, パープル",
    "pink": "pink, rosy, dark pink, light pink, bright pink, ピンク, ピンクの, ピンク色, ピンク色の, 桃色, 桃色の",
    "brown": "brown, chestnut, dark brown, light brown, 茶, 茶色, 茶色い, 茶色の, ちゃいろ, 褐色, 褐色の, ブラウン",
    "white": "white, snow white, pure white, 白, 白い, 白色, 白色の, 白の, 真っ白, 真っ白な, しろ, しろい, ホワイト",
    "black": "black, jet black, pitch black, 黒, 黒い, 黒色, 黒色の, 黒の, 真っ黒, 真っ黒な, くろ, くろい, ブラック",
    # Sizes and numbers
    "small": "small, little, tiny, mini, 小さい, 小さな, ちいさい, ちいさな, 小型の",
    "big": "big, large, huge, giant, great, enormous, tall, 大きい, 大きな, おおきい, おおきな, 巨大な, 巨大, 大型の",
    "one": "one, 1, a single, single, only one, 一つ, 一つの, ひとつ, ひとつの, 1つ, 1つの, 一個, 一個の, 1個, 1個の, 一軒, 一軒の, 一本, 一本の, 一人, 一人の",
    "two": "two, 2, a pair of, pair of, a couple of, couple of, both, twin, 二つ, 二つの, ふたつ, ふたつの, 2つ, 2つの, 二個, 二個の, 2個, 2個の, 二軒, 二軒の, 2軒, 2軒の, 二本, 二本の, 2本, 2本の, 二人, 二人の, 2人, 2人の, 二艘, 二艘の, 二隻, 二隻の",
    # Time of day, weather and ground
    "day": "day, daytime, daylight, by day, during the day, in the daytime, sunny, sunny day, morning, afternoon, noon, midday, blue sky, under a blue sky, 昼, 昼間, 日中, お昼, 朝, 午後, 青空, 青い空, 晴れた日",
    "sunset": "sunset, sundown, dusk, evening, twilight, dawn, sunrise, at sunset, at dusk, at dawn, in the evening, evening sky, under an evening sky, golden hour, 夕焼け, 夕暮れ, 夕方, 夕日, 夕陽, 日没, 黄昏, 夕暮れ時, 朝焼け, 夜明け",
    "night": "night, nights, night time, nighttime, at night, by night, in the night, midnight, nocturnal, night sky, starry, starry night, starry sky, under a starry sky, under the starry sky, under a night sky, under the night sky, moon, moonlight, moonlit, in the moonlight, under the stars, under the moon, under a full moon, full moon, 夜, 夜中, 真夜中, 夜空, 夜景, 夜の中, 星空, 月, 月夜, 月明かり, 月光",
    "clear": "clear, clear sky, clear skies, under a clear sky, under clear skies, clear weather, cloudless, 晴れ, 晴れた, 快晴, 澄んだ, 晴天",
    "fog": "fog, foggy, in the fog, in fog, mist, misty, in the mist, haze, hazy, 霧, 霧の中, 霧の深い, 霧がかかった, 霧深い, 霧に包まれた, 靄, もや, かすみ, 霞",
    "grass": "grass, grassy, on grass, on the grass, meadow, meadows, lawn, green field, green fields, green meadow, green hill, green hills, field, fields, hill, hills, 草, 草原, 草地, 草の上, 草原の上, 芝生, 芝生の上, 野原, 牧草地, 緑の草原, 丘",
    "sand": "sand, sandy, on the sand, desert, deserts, beach, beaches, sandy beach, dune, dunes, sand dune, sand dunes, 砂, 砂の上, 砂浜, 砂浜の上, 砂漠, 浜辺, ビーチ, 砂丘, 砂地",
    "snow": "snow, snowy, on the snow, in the snow, snow covered, snowfield, snow field, winter, wintry, 雪, 雪原, 雪の上, 雪景色, 雪の積もった, 冬, 積雪",
    "sea": "sea, seas, ocean, oceans, water, on the sea, at sea, on the water, in the water, lake, waves, 海, 海上, 海の上, 水, 水面, 湖, 大海, 水の上, 波",
    "street": "street, streets, road, roads, city street, town, city, alley, lane, cobbled street, 街, 街路, 通り, 道, 道路, 町, 街並み, 街角, 路地, 都市",
    # Mood
    "dark": "dark, darkness, gloomy, dim, murky, shadowy, 暗い, 暗闇, 薄暗い, 闇, 暗がり, 暗く",
    "gothic": "gothic, spires, spire, pointed roofs, medieval, victorian, ゴシック, ゴシックの, ゴシック様式, ゴシック様式の, ゴシック調, ゴシック調の, ゴシック風, ゴシック風の, 尖塔, 中世, 中世の",
    # Where things are, to each other and in the picture
    "left": "left, left of, to the left of, on the left of, on the left side of, at the left of, to its right, on its right, to the right of it, on the right of it, 左, の右に, の右側に, の右の, の右側の, の右にある, の右側にある, の右にいる, の右側にいる, の右には, の左にある。, の左側にある。, の左。, の左側。, の左にいる。, の左にあります, の左側にあります, の左にいます, の左側にいます, の左に立っています, の左に浮かんでいます",
    "right": "right, right of, to the right of, on the right of, on the right side of, at the right of, to its left, on its left, to the left of it, on the left of it, 右, の左に, の左側に, の左の, の左側の, の左にある, の左側にある, の左にいる, の左側にいる, の左には, の右にある。, の右側にある。, の右。, の右側。, の右にいる。, の右にあります, の右側にあります, の右にいます, の右側にいます, の右に立っています, の右に浮かんでいます",
    "above": "above, over, on top of, higher than, below it, under it, beneath it, underneath it, 上, の下に, の下の, の下にある, の下には, の下にいる, の真下に, の上にある。, の上。, の上にいる。, の上にあります, の上にいます, の上に浮かんでいます, の真上にあります",
    "below": "below, under, beneath, underneath, lower than, above it, over it, on top of it, 下, の上に, の上の, の上にある, の上には, の上にいる, の真上に, の上に浮かぶ, の下にある。, の下。, の下にいる。, の下にあります, の下にいます, の下に立っています, の真下にあります",
    "left side": "on the left, on the left side, at the left, to the left, left side, 左に, 左側, 左側に, 左側の, 左の, 画面左, 画面の左, 画面の左に, 左手に",
    "right side": "on the right, on the right side, at the right, to the right, right side, 右に, 右側, 右側に, 右側の, 右の, 画面右, 画面の右, 画面の右に, 右手に",
    "middle": "middle, centre, center, in the middle, in the centre, in the center, in the middle of the picture, centred, centered, 中央, 中央に, 中央の, 真ん中, 真ん中に, 真ん中の, 中心, 中心に",
}  # fmt: skip

# What may be said and changes nothing.
WITHOUT_EFFECT = """
a, an, the, of, with, is, are, in, on, at, and, by, near, to, there, it, its, this, that, from, for, some, here, where, we, us, you, i, me, they, he, she, his, her,
next to, beside, close to, in front of, together with, along, alongside, away, away from, towards, up, down, far, as, be, being, has, have, having,
picture, pictures, painting, paintings, drawing, drawings, illustration, illustrations, image, images, photo, photograph, sketch, scene, view, landscape, background, style, art, artwork,
draw, paint, show, showing, shows, make, create, please, see, seen, look, looking, children's book, book, simple, flat, cute, pretty, beautiful, nice, lovely, soft, bright, old, lonely, lone, alone, quiet, calm, cosy, cozy,
medium, medium sized, normal, regular, sized, size, coloured, colored, colour, color, colours, colors, painted, shaped, shape, shapes, thing, things, object, objects,
stands, standing, stand, lies, lying, lie, sits, sitting, sit, floats, floating, float, hangs, hanging, sails, sailing, walks, walking, walk, wearing, wears, dressed in, wrapped in, goes, going,
lit, lit up, lighted, illuminated, illuminated by, glowing, glow, shining, shines, light, lights, covered, full of, filled with, weather, sky, in the sky, air, in the air, time, side, top of the picture, ground, on the ground, behind us, back, from behind, seen from behind,
の, に, を, は, が, と, や, も, へ, で, て, な, から, まで, より, そして, また, および, での, では, には, とは, です, ます, ある, あり, あります, いる, います, いて, おり, した, している, しています, されて, されている, されています, ください, 下さい,
に照らされて, に照らされています, に照らされた, に照らされている, 照らされて, 照らされた, 照らされている, 照らされています, 照らす, 光る, 輝く, 輝いています, 光, 明かり, 灯り,
立つ, 立っている, 立っています, 立って, 浮かぶ, 浮かんでいる, 浮かんでいます, 浮かぶ。, 置かれた, 建つ, 建っている, 建っています, まとった, まとっています, まとう, を着た, 着た, 着ています,
離れて, 離れる, 歩く, 歩いて, 歩いている, 歩いています, 歩いて行く, 歩いていく, 去る, 去っていく, 向こうへ, 私, 私たち, 私達, 我々, 後ろ姿, 後ろ姿の, 一面, 一面の,
絵, 画像, 写真, イラスト, 絵画, 風景, 景色, 背景, 絵本, 絵本風, 描いて, 描いてください, かわいい, 可愛い, 美しい, きれいな, 静かな, 古い, 普通の, 色, 形, の中, 中, の中の, 中の, 中に, 中で, の前に, 前に, の前, の隣に, 隣に, の隣, の横に, 横に, のそばに, そばに, 近くに, の近くに, 空, 空に, 空の, 地面, 天気, とき, 時, 一緒に
"""  # fmt: skip

TOKENS: tuple[str, ...] = tuple(CONCEPTS)


def phrases() -> dict[str, int]:
    """Return all words and phrases with the number of what they mean, from 2 on; 0 is without effect."""
    known = dict.fromkeys(re.split(r",\s*", WITHOUT_EFFECT.strip()), 0)
    return known | {word: number for number, line in enumerate(CONCEPTS.values(), 2) for word in line.split(", ")}


@cache
def _captions() -> Captions:
    return Captions(phrases())


def read(text: str) -> tuple[list[str], list[str]]:
    """Return the tokens in a text, one that is said twice in a row only once, and the words that are not known."""
    numbers, unknown = _captions().read(text)
    return [TOKENS[number - 2] for number in numbers], unknown
