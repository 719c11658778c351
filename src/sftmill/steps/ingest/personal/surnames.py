"""Chinese surnames: nearly all of the Hundred Family Surnames that are in use, and the compound ones."""

_COMMON = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛"
    "邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂丛焦向柳邢路岳齐沿梅莫庄辛管祝左涂谷祁时舒耿牟卜路詹关苗凌费纪"
    "靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯阮桂闵解强柴华车冉房边辜吉饶刁瞿戚丘古米池滕晋苑邬臧畅宫来嵺苟全褚廉简娄盖符奚木穆党燕郎邸冀谈姬屠连郜晏栾郁"
    "商蒙计喻揭窦迟宇敖糜鄢冷卓花仇艾蓝都巩稽井练仲乐虞卞封竺冼原官衣楚佟栗匡宗应台巫鞠僧桑荆谌银扬明沙薄伏岑习胥保和蔺水云昌凤酆皮闻米贝明伏戴祁麻强"
    "付肖闫洪尚佘佐邝仝郗操展于占车初禹郦乜亓逄郏洑阚隗佴矫缪麦丰"
)
_TRADITIONAL = "張劉陳楊趙黃吳孫馬羅鄭謝韓馮蕭鄧許蘇盧蔣賈魏葉閻餘潘鍾譚鄒陸顧龍萬錢湯賴龔龐蘭顏嚴蘆魯韋畢聶叢齊莊塗時關費紀項陽衛單寧閔華車邊饒鄔臧畢婁蓋談連欒計竇遲藍鞏練樂雲鳳聞貝豐"
SURNAMES = frozenset(_COMMON + _TRADITIONAL)
"""Surnames of one character, simplified and traditional."""

COMPOUND = frozenset(
    str.split(
        "欧阳 歐陽 太史 端木 上官 司马 司馬 东方 東方 独孤 獨孤 南宫 南宮 万俟 闻人 聞人 夏侯 诸葛 諸葛 尉迟 尉遲 公羊 赫连 赫連 澹台 澹臺 皇甫 宗政 濮阳 公冶 太叔 申屠 "
        "公孙 公孫 慕容 仲孙 钟离 鍾離 长孙 長孫 宇文 司徒 鲜于 鮮于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 拓跋 夹谷 轩辕 軒轅 令狐 段干 百里 "
        "呼延 东郭 東郭 南门 羊舌 微生 左丘 东门 西门 西門 南荣 第五 爱新觉罗 叶赫那拉 完颜 耶律 纳兰 納蘭 哈斯 呼和 阿布"
    )
)
"""Surnames of two characters and more."""

AMBIGUOUS = frozenset(
    "和于时于来都应位全成向保连会單单时連時應來水强强明展初占计計简官原木商银台花路常安宁寧方高白金万萬石文党景温"
)
"""Surnames that are ordinary words as well: they count only where the whole looks like a name."""

FREQUENT = frozenset(
    "付王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许邓冯韩曹曾彭萧肖蔡潘田董袁余叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆戴贾韦夏邱侯邹熊孟秦江阎闫薛尹段雷龙黎史陶毛贺顾龚郝邵万覃武钱"
    "張劉陳楊黃趙吳孫馬羅鄭謝許鄧馮韓蕭葉蔣蘇呂盧鍾譚陸賈韋鄒閻龍賀顧龔錢"
)
"""The hundred most frequent surnames (Ministry of Public Security, 2020) but those that are ordinary words, 高 or 白."""
