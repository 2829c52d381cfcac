"""Handsets on the network: what the operator's device list could hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Handset:
    """A brand's models; `weight` is the brand's share of the network, in percent."""

    brand: str
    models: tuple[str, ...]
    systems: tuple[str, ...]
    is_smartphone: bool
    weight: int


HANDSETS = (
    Handset(
        "Samsung",
        (
            "Galaxy A06",
            "Galaxy A15",
            "Galaxy A25",
            "Galaxy A35",
            "Galaxy A55",
            "Galaxy S23",
            "Galaxy S24",
            "Galaxy M34",
        ),
        ("Android 13", "Android 14", "Android 15"),
        True,
        28,
    ),
    Handset("OPPO", ("A18", "A38", "A60", "Reno 8T", "Reno 11F", "Reno 12"), ("Android 13", "Android 14"), True, 17),
    Handset("Xiaomi", ("13T", "14 Ultra", "Poco X6", "Poco M6"), ("Android 13", "Android 14"), True, 9),
    Handset("Redmi", ("12", "13C", "Note 12", "Note 13", "Note 13 Pro"), ("Android 13", "Android 14"), True, 10),
    Handset("realme", ("C53", "C67", "11", "12 Pro", "Note 50"), ("Android 13", "Android 14"), True, 9),
    Handset(
        "Apple",
        ("iPhone 11", "iPhone 12", "iPhone 13", "iPhone 14", "iPhone 14 Pro", "iPhone 15", "iPhone 15 Pro Max"),
        ("iOS 16.7", "iOS 17.6", "iOS 18.1"),
        True,
        11,
    ),
    Handset("Infinix", ("Hot 30", "Hot 40i", "Note 30", "Smart 8"), ("Android 12", "Android 13"), True, 6),
    Handset("Huawei", ("Nova 9", "Nova Y90", "P30 lite"), ("HarmonyOS 3", "EMUI 12"), True, 3),
    Handset("Nokia", ("105", "110 4G", "3310", "8210 4G"), ("Series 30+",), False, 5),
    Handset("itel", ("it2163", "it5026"), ("Mocor",), False, 2),
)
